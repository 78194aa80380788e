import CryptoPrimitives
import Foundation
import Testing

@testable import KeyManagement

@Suite struct PassphraseCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func run(_ command: String, limit: Double = 60) throws(KeyError) -> [UInt8] {
        try PassphraseCommand.run(command, keystore: folder.keystore, limit: limit).revealed
    }

    /// Whether any process of a group lives. A killed one may still have to be collected by init.
    private func waitUntilGone(_ group: pid_t) -> Bool {
        for _ in 0..<1000 {
            if kill(-group, 0) != 0 { return true }
            usleep(10_000)
        }
        return false
    }

    @Test(arguments: ["exec >&-", "true", "echo word"])
    func aLateCommandIsKilledWithAllThatItStarted(beginning: String) throws {
        let note = folder.path + "/group"
        let error = #expect(throws: KeyError.self) {
            _ = try run(
                "\(beginning); echo $$ >\(note); sleep 1000 & sleep 1000", limit: 1)
        }
        #expect(error?.code == .locked)
        #expect(error?.message.contains("within 1 s and was killed") == true)
        #expect(error?.message.contains(folder.keystore) == true)
        let text = String(decoding: try contents(note), as: UTF8.self)
        let group = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(waitUntilGone(group))
    }

    /// What it leaves running, for instance an agent, is not waited for.
    @Test func theEndOfTheShellIsTheEndOfTheCommand() throws {
        let note = folder.path + "/agent"
        let word = try run("sleep 1000 & echo $! >\(note); echo word")
        #expect(word == Array("word".utf8))
        let text = String(decoding: try contents(note), as: UTF8.self)
        let agent = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(kill(agent, SIGKILL) == 0)
    }

    /// What the program blocks and ignores is not for the command.
    @Test func itsSignalsAreAsUsual() async {
        await #expect(processExitsWith: .success) {
            signal(SIGPIPE, SIG_IGN)
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, SIGTERM)
            pthread_sigmask(SIG_BLOCK, &set, nil)
            for signal in ["TERM", "PIPE"] {
                do throws(KeyError) {
                    _ = try PassphraseCommand.run("kill -\(signal) $$; echo word", keystore: "k")
                    exit(2)
                } catch {
                    guard error.message.contains("a signal") else { exit(3) }
                }
            }
        }
    }

    @Test func itGoesWithTheProcessThatIsToldToEnd() async {
        await #expect(processExitsWith: .success) {
            // As in a mount, whose threads all leave the signal to one.
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, SIGTERM)
            pthread_sigmask(SIG_BLOCK, &set, nil)
            let waiting = pthread_self()
            DispatchQueue.global().asyncAfter(deadline: .now() + 0.2) {
                pthread_kill(waiting, SIGTERM)
            }
            do throws(KeyError) {
                _ = try PassphraseCommand.run("sleep 1000", keystore: "k")
                exit(2)
            } catch {
                exit(error.message.contains("told to end") ? 0 : 3)
            }
        }
    }

    @Test func noneRunsInAProcessThatIsEnding() async {
        await #expect(processExitsWith: .success) {
            DispatchQueue.global().asyncAfter(deadline: .now() + 0.2) {
                PassphraseCommand.endAll()
            }
            do throws(KeyError) {
                _ = try PassphraseCommand.run("sleep 1000", keystore: "k")
                exit(2)
            } catch {
                exit(error.message.contains("told to end") ? 0 : 3)
            }
        }
    }

    @Test func itMayAskAtTheTerminal() async {
        await #expect(processExitsWith: .success) {
            // The first terminal that a session opens is its own.
            setsid()
            let (master, slave) = try PseudoTerminal.make()
            let terminal = open(slave, O_RDWR)
            guard terminal >= 0 else { exit(2) }
            Thread {
                var byte: UInt8 = 0
                while read(master, &byte, 1) == 1, byte != UInt8(ascii: "?") {}
                _ = write(master, "sesame\n", 7)
            }.start()
            let word = try PassphraseCommand.run(
                "printf '?' >/dev/tty; read -r word </dev/tty; echo $word", keystore: "k")
            guard word.revealed == Array("sesame".utf8) else { exit(3) }
            exit(tcgetpgrp(terminal) == getpgrp() ? 0 : 4)
        }
    }
}
