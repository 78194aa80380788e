import ChunkStore
import Synchronization

/// Time that passes only when somebody sleeps, or looks.
final class TestTime: StoreTime {
    private struct State {
        var now: Duration = .seconds(1000)
        var sleeps: [Duration] = []
    }

    private let state = Mutex(State())
    /// Passes with each look at the clock.
    private let step: Duration
    /// Runs on the thread that sleeps, before it does.
    private let onSleep: @Sendable () -> Void

    init(step: Duration = .zero, onSleep: @escaping @Sendable () -> Void = {}) {
        self.step = step
        self.onSleep = onSleep
    }

    /// How long each sleep so far was.
    var sleeps: [Duration] { state.withLock { $0.sleeps } }

    func now() -> Duration {
        state.withLock { state in
            state.now += step
            return state.now
        }
    }

    func sleep(for duration: Duration) {
        onSleep()
        state.withLock { state in
            state.now += duration
            state.sleeps.append(duration)
        }
    }

    /// Time passes, and nobody slept.
    func pass(_ duration: Duration) {
        state.withLock { $0.now += duration }
    }
}
