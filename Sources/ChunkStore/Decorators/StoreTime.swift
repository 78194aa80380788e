/// The clock of decorators that wait or measure: a door, so that tests need no time.
public protocol StoreTime: Sendable {
    /// Time since some moment. Never goes backwards.
    func now() -> Duration
    /// Holds the calling thread back for as long, or longer.
    func sleep(for duration: Duration)
}
