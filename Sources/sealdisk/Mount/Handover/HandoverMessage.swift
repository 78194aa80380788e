import FUSEAdapter
import FoundationEssentials
import Namespace

/// What two processes tell each other when one hands its mount over to the other. In this order:
///
///     request             by the new one, which has what it needs but the store
///     offer, or refusal   by the old one, which has stopped serving and closed the store; with an
///                         offer comes /dev/fuse. Refused, it serves on as if nothing had been
///     taken, or failed    by the new one. After `taken` the old one ends, when the new one has
///                         closed the connection: it is in the background then. After `failed`, or
///                         when the new one dies or says nothing, it opens the store again and
///                         goes on
enum HandoverMessage: Codable, Sendable {
    /// What they must agree on: raised with every change of what is handed over.
    static let version = 1

    case request(version: Int)
    /// `manager`: who supervises the old process, and is told that the new one is it now.
    case offer(tree: TreeState, session: SessionState, manager: ServiceManager?)
    case refusal(message: String, advice: String)
    case taken
    case failed(String)

    /// In this process's memory alone, never stored.
    func encoded() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }

    init(_ bytes: [UInt8]) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(bytes))
    }
}
