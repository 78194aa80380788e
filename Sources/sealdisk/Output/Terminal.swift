import CLoopDevice
import Glibc

/// Standard output and error as people see them.
enum Terminal {
    /// Columns of the terminal that standard output is; nil when it is none.
    static var width: Int? {
        let columns = sealdisk_terminal_columns(STDOUT_FILENO)
        return columns > 0 ? Int(columns) : nil
    }

    static func show(_ table: Table) { print(table.text(width: width), terminator: "") }

    /// Writes to standard error. What cannot be written there cannot be told anywhere.
    static func complain(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
