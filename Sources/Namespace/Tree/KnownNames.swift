import Synchronization

/// The names of all resources of one kind, kept while the catalogue they were made of stays as it
/// is: a look-up of one among a thousand does not list the thousand.
final class KnownNames<ID: Hashable & Sendable & CustomStringConvertible>: Sendable {
    private let known = Mutex<(revision: UInt64, names: ResourceNames<ID>)?>(nil)

    /// The names as of `revision`, which was read before: whatever changes meanwhile raises it, so
    /// that names are never kept under a revision later than what they were made of.
    func names(
        as revision: UInt64, _ make: () -> ResourceNames<ID>
    ) -> ResourceNames<ID> {
        if let known = known.withLock({ $0 }), known.revision == revision { return known.names }
        let names = make()
        known.withLock { $0 = (revision, names) }
        return names
    }
}
