import Glibc

/// Small text files of the host: /proc, /sys, a mount's status.
enum HostText {
    /// The whole of a file as text, or nil, with errno set, if it cannot be read. What is longer
    /// than 16 MiB is cut there.
    static func read(_ path: String) -> String? {
        bytes(path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The first line of a file.
    static func line(_ path: String) -> String? {
        read(path)?.split(separator: "\n", omittingEmptySubsequences: false).first.map(String.init)
    }

    /// A text that may hold a path, for where a line is one statement.
    static func singleLine(_ text: String) -> String {
        String(text.map { $0.isNewline ? " " : $0 })
    }

    static func bytes(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return bytes(of: descriptor)
    }

    /// What can be read from a descriptor until it gives no more.
    static func bytes(of descriptor: Int32) -> [UInt8]? {
        let limit = 16 << 20
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while all.count < limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                return nil
            }
            if count == 0 { break }
            all += buffer[..<count]
        }
        return all
    }

    /// The names in a folder but `.` and `..`, sorted; none if it cannot be read.
    static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            // d_name is a C array, which Swift sees as a tuple: its address is that of the text.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
