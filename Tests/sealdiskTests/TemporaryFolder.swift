import Glibc
import Testing

@testable import sealdisk

/// A folder that goes away, with all that is in it, with its owner.
final class TemporaryFolder {
    let path: String

    init() throws {
        let parent = environmentVariable("TMPDIR") ?? "/tmp"
        var template = Array("\(parent)/sealdisk-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let name = template.dropLast().map { UInt8(bitPattern: $0) }
        path = try #require(AbsolutePath.resolve(String(decoding: name, as: UTF8.self)))
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            unlink(path)
            return
        }
        for name in HostText.names(in: path) { remove("\(path)/\(name)") }
        rmdir(path)
    }
}
