import CryptoPrimitives
import Foundation
import Testing

@testable import KeyManagement

@Suite struct UnlockerTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func activated(_ unlocker: Unlocker) throws -> WrappedKey {
        let kms = makeKMS(folder.keystore, unlocker: unlocker)
        try kms.activate()
        return try kms.generateDataKey(context: context, use: creating).wrapped
    }

    private func unwrapCode(_ wrapped: WrappedKey, _ unlocker: Unlocker?) -> KeyError.Code? {
        code {
            _ = try makeKMS(folder.keystore, unlocker: unlocker).unwrap(
                wrapped, context: context, use: attaching)
        }
    }

    @Test func keyFileIsMadeAndFoundAgain() throws {
        let file = folder.path + "/keys/host.key"
        let wrapped = try activated(.keyFile(file))
        #expect(mode(file) == 0o600)
        #expect(try contents(file).count == 32)
        #expect(try Set(contents(file)).count > 8)
        #expect(unwrapCode(wrapped, nil) == nil)
        #expect(unwrapCode(wrapped, .keyFile(file)) == nil)

        let copy = try folder.write(contents(file), to: "copy")
        #expect(unwrapCode(wrapped, .keyFile(copy)) == nil)
        let other = try folder.write(Array(repeating: 7, count: 32), to: "other")
        #expect(unwrapCode(wrapped, .keyFile(other)) == .locked)
        #expect(unwrapCode(wrapped, .text("correct horse")) == .locked)
        try FileManager.default.removeItem(atPath: file)
        #expect(unwrapCode(wrapped, nil) == .locked)
    }

    @Test func existingKeyFileIsKept() throws {
        let content = [UInt8](0..<100)
        let file = try folder.write(content, to: "mine")
        let wrapped = try activated(.keyFile(file))
        #expect(try contents(file) == content)
        #expect(unwrapCode(wrapped, nil) == nil)
    }

    @Test(arguments: [(31, mode_t(0o600)), (0, 0o600), (32, 0o640), (32, 0o604), (32, 0o622)])
    func unfitKeyFilesAreRefused(_ count: Int, _ mode: mode_t) throws {
        let file = try folder.write(Array(repeating: 1, count: count), to: "key", mode: mode)
        let kms = makeKMS(folder.keystore, unlocker: .keyFile(file))
        #expect(code { try kms.activate() } == .locked)
        #expect(try !kms.isActivated)
    }

    @Test func keyFileThatIsNoFileIsRefused() throws {
        let kms = makeKMS(folder.keystore, unlocker: .keyFile(folder.path))
        #expect(code { try kms.activate() } == .locked)
    }

    @Test func commandGivesItsFirstLine() throws {
        let wrapped = try activated(.passphraseCommand("printf 'correct horse\\nmore\\n'"))
        // The sorts of passphrase open the same keystore.
        #expect(unwrapCode(wrapped, .text("correct horse")) == nil)
        #expect(unwrapCode(wrapped, .passphraseCommand("printf 'correct horse'")) == nil)
        #expect(unwrapCode(wrapped, .passphraseCommand("echo wrong")) == .locked)
        let file = try folder.write(Array(repeating: 1, count: 32), to: "key")
        #expect(unwrapCode(wrapped, .keyFile(file)) == .locked)
    }

    @Test(arguments: [
        ("echo correct horse; exit 3", "exit code 3"), ("kill -9 $$", "a signal"),
        ("true", "empty"), ("echo; echo correct horse", "empty"),
        ("head -c 1025 /dev/zero | tr '\\0' x", "at most 1024"),
    ])
    func failingCommandsAreRefused(_ command: String, _ cause: String) throws {
        let error = #expect(throws: KeyError.self) {
            _ = try activated(.passphraseCommand(command))
        }
        #expect(error?.code == .locked)
        #expect(error?.message.contains(cause) == true)
    }

    @Test func longOutputIsReadToItsEnd() throws {
        // A command that is cut short by SIGPIPE would not end with 0.
        let command = "set -e; echo correct horse; head -c 300000 /dev/zero; test -n ok"
        #expect(
            unwrapCode(try activated(.passphraseCommand(command)), .text("correct horse")) == nil)
    }
}

@Suite struct TerminalTests {
    /// The two ends of a new pseudo-terminal (pts(4)).
    private static func makeTerminal() throws -> (master: Int32, slave: String) {
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(master >= 0)
        var (number, unlock) = (Int32(0), Int32(0))
        // TIOCGPTN and TIOCSPTLCK of <asm-generic/ioctls.h>.
        try #require(ioctl(master, 0x8004_5430, &number) == 0)
        try #require(ioctl(master, 0x4004_5431, &unlock) == 0)
        return (master, "/dev/pts/\(number)")
    }

    /// Asks at a terminal where `typed` is typed once the question stands there; what the terminal
    /// showed, and what was read.
    private func ask(typed: String) throws -> (shown: String, answer: Result<[UInt8], KeyError>) {
        let (master, slave) = try Self.makeTerminal()
        defer { close(master) }
        let file = try FileDescriptor(slave, O_RDWR | O_NOCTTY)
        let terminal = Terminal(file)
        let typist = Thread {
            var shown: [UInt8] = []
            var byte: UInt8 = 0
            while !shown.elementsEqual("Word: ".utf8), read(master, &byte, 1) == 1 {
                shown.append(byte)
            }
            _ = Array(typed.utf8).withUnsafeBytes { write(master, $0.baseAddress, $0.count) }
        }
        typist.start()
        let answer: Result<[UInt8], KeyError>
        do throws(KeyError) {
            answer = .success(try terminal.ask("Word: ").revealed)
        } catch { answer = .failure(error) }
        var after = termios()
        try #require(tcgetattr(master, &after) == 0)
        #expect(after.c_lflag & tcflag_t(ECHO) != 0)
        #expect(after.c_lflag & tcflag_t(ISIG) != 0)
        var rest = [UInt8](repeating: 0, count: 256)
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
        let count = max(0, read(master, &rest, rest.count))
        return (String(decoding: rest.prefix(count), as: UTF8.self), answer)
    }

    @Test func readsWithoutShowing() throws {
        let (shown, answer) = try ask(typed: "sesame\n")
        #expect(try answer.get() == Array("sesame".utf8))
        #expect(!shown.contains("sesame"))
    }

    @Test func correctionsAreTheTerminals() throws {
        #expect(try ask(typed: "sesamx\u{7f}e\n").answer.get() == Array("sesame".utf8))
    }

    @Test(arguments: ["\u{03}", "ses\u{03}", "\u{1c}"]) func interruptEndsIt(typed: String) throws {
        let answer = try ask(typed: typed).answer
        #expect(code { _ = try answer.get() } == .locked)
    }

    /// As any other program at a terminal: a shell then shows 130, and nobody is told of key files.
    @Test func atTheProgramsTerminalAnInterruptIsOne() async {
        await #expect(processExitsWith: .signal(SIGINT)) {
            setsid()
            let (master, slave) = try TerminalTests.makeTerminal()
            // The first terminal a session opens becomes its own.
            let own = open(slave, O_RDWR)
            let terminal = try Terminal.open()
            Thread {
                var byte: UInt8 = 0
                while byte != UInt8(ascii: ":"), read(master, &byte, 1) == 1 {}
                byte = 3
                _ = write(master, &byte, 1)
            }.start()
            _ = try terminal.ask("Word:")
            close(own)
        }
    }

    @Test func withoutTerminalItSaysWhatToDo() async {
        await #expect(processExitsWith: .success) {
            // A session of its own has no controlling terminal.
            setsid()
            close(0)
            guard open("/dev/null", O_RDWR) == 0 else { exit(2) }
            do throws(KeyError) {
                _ = try Terminal.open()
                exit(3)
            } catch {
                exit(error.code == .locked && error.message.contains("key file") ? 0 : 4)
            }
        }
    }
}
