import CryptoPrimitives
import Glibc

/// The terminal of the person at this program: asks without showing what is typed.
struct Terminal: ~Copyable {
    private let file: FileDescriptor
    /// What the interrupt keys do, once the terminal is as it was.
    private let interrupt: () -> Void

    init(_ file: consuming FileDescriptor, interrupt: @escaping () -> Void = {}) {
        self.file = file
        self.interrupt = interrupt
    }

    /// The controlling terminal, or standard input if that is one. Throws `.locked` without either.
    static func open() throws(KeyError) -> Terminal {
        for path in ["/dev/tty", "/dev/stdin"] {
            guard let file = try? FileDescriptor(path, O_RDWR | O_NOCTTY), isatty(file.number) == 1
            else { continue }
            // To the process, as the terminal sends it: one that blocks it may have a thread that
            // waits for it.
            return Terminal(file) { kill(getpid(), SIGINT) }
        }
        throw KeyError(
            .locked,
            "there is no terminal to ask for the passphrase; use a passphrase command or a key file"
        )
    }

    /// Shows a question and reads one line. Interrupted, it does as the keys say, and throws if the
    /// process goes on.
    func ask(_ question: String) throws(KeyError) -> SecretBytes {
        var isInterrupted = false
        do throws(KeyError) {
            return try askSilently(question, &isInterrupted)
        } catch {
            if isInterrupted { interrupt() }
            throw error
        }
    }

    private func askSilently(
        _ question: String, _ isInterrupted: inout Bool
    ) throws(KeyError) -> SecretBytes {
        var before = termios()
        guard tcgetattr(file.number, &before) == 0 else {
            throw KeyError.system("prepare", file.path)
        }
        // Without ISIG the interrupt keys arrive as bytes: a signal would end the program with the
        // echo still off. As further ends of a line (VEOL) they arrive at once.
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO | ISIG)
        let interrupts = withUnsafeMutableBytes(of: &silent.c_cc) { keys in
            keys[Int(VEOL)] = keys[Int(VINTR)]
            keys[Int(VEOL2)] = keys[Int(VQUIT)]
            return [keys[Int(VINTR)], keys[Int(VQUIT)]]
        }
        guard tcsetattr(file.number, TCSAFLUSH, &silent) == 0 else {
            throw KeyError.system("prepare", file.path)
        }
        defer { tcsetattr(file.number, TCSAFLUSH, &before) }
        try file.write(Array(question.utf8))
        let answer = try Passphrase.line { (byte) throws(KeyError) in
            let count = try file.read(into: UnsafeMutableRawBufferPointer(start: byte, count: 1))
            if count == 1, interrupts.contains(byte.load(as: UInt8.self)) {
                isInterrupted = true
                throw KeyError(.locked, "asking for the passphrase was interrupted")
            }
            return count
        }
        try file.write([UInt8(ascii: "\n")])
        return answer
    }
}
