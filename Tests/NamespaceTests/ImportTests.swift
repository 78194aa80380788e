import ControlPlane
import DiskFormat
import Glibc
import Namespace
import Synchronization
import Testing

/// The `import` file: what is written to it, by whom and how far, and what is answered.
@Suite struct ImportTests {
    private static func open(_ fixture: Fixture) throws -> ImportConversation {
        guard case .intake(let conversation) = try fixture.open("import", writes: true) else {
            throw FileError(EBADF, "not import")
        }
        return conversation
    }

    private static func send(_ bytes: [UInt8], to conversation: ImportConversation) async
        -> Result<Int, FileError>
    {
        await withCheckedContinuation { continuation in
            conversation.submit(bytes) { continuation.resume(returning: $0) }
        }
    }

    private static func reply(_ conversation: ImportConversation) throws -> String {
        try String(decoding: OpenFile.intake(conversation).bytes(at: 0, count: 4096), as: UTF8.self)
    }

    /// A tree whose imports are files of ten bytes.
    private static func fixture() throws -> Fixture {
        let fixture = try Fixture()
        fixture.tree.openImports { source in
            var bytes = [UInt8](repeating: 0, count: 10)
            let count = try? bytes.withUnsafeMutableBytes { try source($0) }
            guard count == 10 else { return ControlAnswer(json: "{\"cut\":true}", errno: EIO) }
            return bytes.contains(0)
                ? ControlAnswer(json: "{\"bad\":true}", errno: EINVAL)
                : ControlAnswer(json: "{\"good\":true}", errno: 0)
        }
        return fixture
    }

    @Test func theLastWriteIsAnsweredWithWhatBecameOfIt() async throws {
        let fixture = try Self.fixture()
        let conversation = try Self.open(fixture)
        #expect(try Self.reply(conversation).isEmpty)
        #expect(try await Self.send([1, 2, 3], to: conversation).get() == 3)
        #expect(try Self.reply(conversation).isEmpty)
        // It ends within this one.
        #expect(try await Self.send(Array(repeating: 4, count: 9), to: conversation).get() == 7)
        #expect(try Self.reply(conversation) == "{\"good\":true}\n")
        let more = await Self.send([1], to: conversation)
        expectErrno(EINVAL) { _ = try more.get() }
    }

    @Test func aRefusalFailsTheWrite() async throws {
        let fixture = try Self.fixture()
        let conversation = try Self.open(fixture)
        let result = await Self.send([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1], to: conversation)
        #expect(throws: FileError.self) { try result.get() }
        #expect(try Self.reply(conversation) == "{\"bad\":true}\n")
    }

    @Test func aHandleThatIsClosedEndsTheImport() async throws {
        let fixture = try Self.fixture()
        let ended = Watched(false)
        fixture.tree.openImports { source in
            var bytes = [UInt8](repeating: 0, count: 10)
            let count = try? bytes.withUnsafeMutableBytes { try source($0) }
            ended.withLock { $0 = count == 3 }
            return ControlAnswer(json: "{}", errno: EIO)
        }
        var conversation: ImportConversation? = try Self.open(fixture)
        _ = try await Self.send([1, 2, 3], to: #require(conversation)).get()
        conversation = nil
        #expect(
            ended.within(seconds: 60) {
                $0
            } _: {
                $1
            })
    }

    @Test func theEndOfTheMountEndsIt() async throws {
        let fixture = try Self.fixture()
        let conversation = try Self.open(fixture)
        _ = try await Self.send([1, 2, 3], to: conversation).get()
        fixture.tree.closeControl()
        while try Self.reply(conversation).isEmpty { await Task.yield() }
        let late = try Self.open(fixture)
        let result = await Self.send([1], to: late)
        #expect(throws: FileError.self) { try result.get() }
        #expect(try Self.reply(late).contains("ending"))
    }

    @Test func whoMayWriteToIt() throws {
        let fixture = try Self.fixture()
        expectErrno(EACCES) { _ = try fixture.open("import", writes: true, as: Fixture.stranger) }
        let readOnly = try Fixture(isReadOnly: true)
        expectErrno(EROFS) { _ = try readOnly.open("import", writes: true) }
    }
}
