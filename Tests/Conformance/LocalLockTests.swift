import ChunkStore
import Foundation
import HostPrograms
import LocalStore
import Testing

@Suite("LocalStore: the lock between processes")
struct LocalLockTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path + "/store"
    }

    @Test func twoStoresOfOneProcessExcludeEachOther() throws {
        let lock = try LocalStore.create(at: path).lockExclusively(holder: "sealdisk mount x\ny")
        let other = try LocalStore(path: path)
        let me = "in use by `sealdisk mount x y`, process \(getpid()) on "
        expect(.locked, about: me) { _ = try other.lockExclusively(holder: "second") }
        expect(.locked, about: path) { _ = try other.lockExclusively(holder: "second") }
        lock.release()
        try other.lockExclusively(holder: "second").release()
    }

    /// The other process holds the lock until it is told to end.
    private func whileAnotherProcessHolds(
        _ script: String, _ body: (Program) throws -> Void
    ) throws {
        _ = try LocalStore.create(at: path).lockExclusively(holder: "first")
        let (input, output) = (Pipe(), Pipe())
        let hold = "exec 9<>'\(path)/.lock'; flock -n 9 || exit 1; \(script); echo held; read end"
        let process = try Program("sh", ["-c", hold], input: .pipe(input), output: .pipe(output))
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        // Reading waits for the first line, or for the end if there is none.
        #expect(output.fileHandleForReading.availableData == Data("held\n".utf8))
        try body(process)
        withExtendedLifetime(input) {}
    }

    @Test func anotherProcessIsNamed() throws {
        let script = "printf 'sealdisk mount s\\n4242\\nfar.host\\n2026-01-02T03:04:05Z\\n' >&9"
        try whileAnotherProcessHolds(script) { _ in
            let holder = "in use by `sealdisk mount s`, process 4242 on far.host"
            expect(.locked, about: holder) {
                _ = try LocalStore(path: path).lockExclusively(holder: "second")
            }
        }
    }

    @Test func aHolderThatSaysNothingOrAnythingStillHolds() throws {
        try whileAnotherProcessHolds(":") { _ in
            expect(.locked, about: "in use by another process") {
                _ = try LocalStore(path: path).lockExclusively(holder: "second")
            }
            let hostile = Data("\u{1b}[2Jname\n\u{7}1\nhost\ntime\n".utf8)
            try hostile.write(to: URL(fileURLWithPath: path + "/.lock"))
            expect(.locked, about: "in use by `[2Jname`, process 1 on host, since time") {
                _ = try LocalStore(path: path).lockExclusively(holder: "second")
            }
        }
    }

    @Test func aProcessThatIsKilledHoldsNoLonger() throws {
        try whileAnotherProcessHolds("printf 'killed\\n1\\nhost\\ntime\\n' >&9") { process in
            let store = try LocalStore(path: path)
            expect(.locked) { _ = try store.lockExclusively(holder: "second") }
            process.signal(SIGKILL)
            process.waitUntilExit()
            try store.lockExclusively(holder: "second").release()
        }
    }
}
