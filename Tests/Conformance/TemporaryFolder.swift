import Foundation
import HostPrograms

/// A folder of its own below the temporary folder, gone when the value is.
final class TemporaryFolder {
    let path: String

    init() throws {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        let folder = URL(fileURLWithPath: base).appendingPathComponent("store-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A file system mounted on a folder of its own, unmounted when the value is gone.
final class MountedFolder {
    private let folder: TemporaryFolder
    var path: String { folder.path + "/mount" }

    /// `arguments` are mount(8)'s, without the folder; `prepare` runs before, with a folder to use.
    init(_ arguments: [String], prepare: (String) throws -> Void = { _ in }) throws {
        folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder.path + "/mount", withIntermediateDirectories: false)
        try prepare(folder.path)
        let located = arguments.map {
            $0.replacingOccurrences(of: "@", with: folder.path)
        }
        try Program.succeed("mount", located + [folder.path + "/mount"])
    }

    /// Lazily if something still holds it: a failing test must not leave a mount behind.
    deinit {
        do {
            try Program.succeed("umount", [path])
        } catch {
            _ = try? Program.run("umount", ["-l", path])
        }
    }
}
