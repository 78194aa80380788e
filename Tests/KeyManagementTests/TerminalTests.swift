import CryptoPrimitives
import Foundation
import Testing

@testable import KeyManagement

@Suite struct TerminalTests {
    /// Asks at a terminal where `typed` is typed once the question stands there; what the terminal
    /// showed, and what was read.
    private func ask(typed: String) throws -> (shown: String, answer: Result<[UInt8], KeyError>) {
        let (master, slave) = try PseudoTerminal.make()
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
            let (master, slave) = try PseudoTerminal.make()
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
            // Not by closing 0: another thread's file may take its place.
            guard dup2(open("/dev/null", O_RDWR), 0) == 0 else { exit(2) }
            do throws(KeyError) {
                _ = try Terminal.open()
                exit(3)
            } catch {
                exit(error.code == .locked && error.message.contains("key file") ? 0 : 4)
            }
        }
    }
}
