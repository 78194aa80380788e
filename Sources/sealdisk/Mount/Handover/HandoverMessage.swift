import FUSEAdapter
import FoundationEssentials
import Namespace

/// What two processes tell each other when one hands its mount over to the other. In this order:
///
///     request             by the new one, which has what it needs but the store
///     offer, or refusal   by the old one, which has stopped serving and closed the store; with an
///                         offer comes /dev/fuse. Refused, it serves on as if nothing had been
///     taken, or failed    by the new one. After `taken` the old one ends; after `failed`, or when
///                         the new one dies or says nothing, it opens the store again and goes on
enum HandoverMessage: Codable, Sendable {
    /// What they must agree on: raised with every change of what is handed over.
    static let version = 1

    case request(version: Int)
    case offer(tree: TreeState, session: SessionState)
    case refusal(message: String, advice: String)
    case taken
    case failed(String)

    /// In this process's memory alone, never stored.
    func encoded() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }

    init(_ bytes: [UInt8]) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(bytes))
    }
}
