import ControlPlane
import DiskFormat
import Glibc

/// What an open file is, for another process to open it again.
public enum OpenFileState: Codable, Sendable {
    /// `isCounted`: it is a user's, not an errand's of the mount itself.
    case disk(String, isCounted: Bool)
    case snapshot(String)
    case sealed(String)
    case difference(String, since: String)
    case text([UInt8])
    case control(reply: [UInt8]?, position: Int)
    /// An import that has ended, or not begun.
    case intake(reply: [UInt8]?, errno: Int32, position: Int)
    /// A trace that has ended with the process it was of, and what is left to be read of it.
    case trace([UInt8])
    case lost
}

extension OpenFile {
    public var state: OpenFileState {
        switch self {
        case .disk(let file): .disk(file.disk.id.text, isCounted: file.isCounted)
        case .snapshot(let file): .snapshot(file.reader.id.text)
        case .sealed(let file):
            file.snapshots.count == 1
                ? .sealed(file.snapshots[0].text)
                : .difference(file.snapshots[0].text, since: file.snapshots[1].text)
        case .text(let file): .text(file.bytes)
        case .control(let file): file.handover
        case .intake(let file): file.handover
        case .trace(let file): file.handover
        case .lost: .lost
        }
    }
}

extension Namespace {
    /// Opens again what was open in another process, or before the store was opened anew; for the
    /// same user, who was checked then.
    public func reopen(_ state: OpenFileState) throws(FileError) -> OpenFile {
        switch state {
        case .disk(let text, let isCounted):
            let (file, _) = try openAgain(.disk(try Self.id(DiskID(text))))
            guard case .disk(let disk) = file, !isCounted else { return file }
            return .disk(disk.uncounted())
        case .snapshot(let text): return try openAgain(.snapshot(try Self.id(SnapshotID(text)))).0
        case .sealed(let text):
            return try openAgain(.sealedSnapshot(try Self.id(SnapshotID(text)))).0
        case .difference(let text, let base):
            return try openAgain(
                .sealedDifference(
                    try Self.id(SnapshotID(text)), since: try Self.id(SnapshotID(base)))
            ).0
        case .text(let bytes): return .text(OpenText(bytes))
        case .control(let reply, let position):
            return .control(ControlConversation(desk, reply: reply, position: position))
        case .intake(let reply, let errno, let position):
            return .intake(
                ImportConversation(
                    intake, reply: reply.map { ControlAnswer(line: $0, errno: errno) },
                    position: position))
        case .trace(let rest): return .trace(OpenTrace(rest: rest))
        case .lost: return .lost
        }
    }

    private func openAgain(_ node: Node) throws(FileError) -> (OpenFile, FileCaching) {
        let mode = OpenMode(reads: true, writes: false, truncates: false)
        return try open(inodes.number(of: node), mode, caller: Caller(user: 0, thread: 0))
    }

    private static func id<ID>(_ id: ID?) throws(FileError) -> ID {
        guard let id else { throw FileError(EIO, "what was handed over names no resource") }
        return id
    }
}
