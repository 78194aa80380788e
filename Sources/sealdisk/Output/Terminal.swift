import CLoopDevice
import Glibc

/// Standard output and error as people see them.
enum Terminal {
    /// Columns of the terminal that standard output is; nil when it is none.
    static var width: Int? {
        let columns = sealdisk_terminal_columns(STDOUT_FILENO)
        return columns > 0 ? Int(columns) : nil
    }

    /// The same of standard error; 80 where it is none.
    static var errorWidth: Int {
        let columns = sealdisk_terminal_columns(STDERR_FILENO)
        return columns > 0 ? Int(columns) : 80
    }

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    static func show(_ table: Table, withTitles: Bool = true) {
        let text = table.text(
            width: width, withTitles: withTitles, isColoured: Colour.isShown(on: STDOUT_FILENO))
        print(text, terminator: "")
    }

    /// Writes to standard error. What cannot be written there cannot be told anywhere.
    static func complain(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
