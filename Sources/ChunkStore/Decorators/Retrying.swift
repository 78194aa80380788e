/// Makes one call as often as a policy allows. Also for what is below a store: `S3Client` asks its
/// server by one of these.
public struct Retrying: Sendable {
    /// After which failures a call may be made again.
    public enum Repeatable: Sendable {
        /// `.busy` alone, when nothing was done: what was done already would be told as a failure,
        /// or would be done twice.
        case onceRefused
        /// `.unanswered` as well: twice is as good as once.
        case always
    }

    let policy: RetryPolicy
    let time: any StoreTime
    let random: @Sendable () -> UInt64

    /// `random` spreads the waits; nothing secret depends on it.
    public init(
        policy: RetryPolicy, time: any StoreTime, random: @escaping @Sendable () -> UInt64
    ) {
        self.policy = policy
        self.time = time
        self.random = random
    }

    /// `body` is told whether an earlier attempt may have done it all.
    public func call<R>(
        _ repeatable: Repeatable, _ body: (_ mayBeDone: Bool) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        let start = time.now()
        var attempts = 0
        var mayBeDone = false
        while true {
            attempts += 1
            do throws(StoreError) {
                return try body(mayBeDone)
            } catch {
                let mayRepeat =
                    error.code == .busy || error.code == .unanswered && repeatable == .always
                guard mayRepeat else { throw error }
                let wait = policy.wait(after: attempts, chance: random())
                guard attempts < policy.attempts, time.now() - start + wait <= policy.patience
                else { throw error.given(up: attempts) }
                mayBeDone = mayBeDone || error.code == .unanswered
                time.sleep(for: wait)
            }
        }
    }
}

extension StoreError {
    /// The same of a call that was made so often.
    fileprivate func given(up attempts: Int) -> StoreError {
        guard attempts > 1 else { return self }
        return StoreError(
            code, operation: operation, cause: "\(cause) (tried \(attempts) times)")
    }
}
