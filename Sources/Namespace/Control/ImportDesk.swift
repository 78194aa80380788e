import ControlPlane
import DiskFormat
import Glibc

/// Where the imports of a mount begin, and are ended with it.
final class ImportDesk: Sendable {
    typealias Handler = @Sendable (@escaping SealedSnapshotFile.Source) -> ControlAnswer

    private struct State: Sendable {
        var handler: Handler?
        var running: [ObjectIdentifier: Watched<ImportLine>] = [:]
    }

    private let state = Watched(State())

    /// Whether no import is under way.
    var isIdle: Bool { state.withLock { $0.running.isEmpty } }

    func open(_ handler: @escaping Handler) { state.withLock { $0.handler = handler } }

    /// Lets a thread import what comes along `line`.
    func begin(_ line: Watched<ImportLine>) {
        let handler = state.withLock { state in
            if state.handler != nil { state.running[ObjectIdentifier(line)] = line }
            return state.handler
        }
        guard let handler else { return line.conclude(.ending) }
        do throws(FileError) {
            try ServiceThread { [self] in
                line.conclude(handler { line.read(into: $0) })
                state.withLock { $0.running[ObjectIdentifier(line)] = nil }
            }.detach()
        } catch {
            state.withLock { $0.running[ObjectIdentifier(line)] = nil }
            line.conclude(
                ControlAnswer(
                    refusal: Refusal(
                        code: ErrorCode.storage.rawValue, message: error.description,
                        recommend: "Raise the number of threads that the daemon may have."),
                    errno: error.errno))
        }
    }

    /// No import begins any more. Those under way end where they are: what they brought is kept.
    /// False if one takes longer for that than `seconds`.
    func close(within seconds: Double) -> Bool {
        let lines = state.withLock { state in
            state.handler = nil
            return state.running.values
        }
        for line in lines { line.withLock { $0.isClosed = true } }
        return state.within(seconds: seconds) {
            $0.running.isEmpty
        } _: {
            $1
        }
    }
}
