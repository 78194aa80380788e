import Foundation
import Testing

/// What people do with a store, by commands alone, wherever it lies.
struct StoreSession {
    let first: Rig
    let other: Rig

    /// A disk with a file system, files and a snapshot, made on one host and read on the other.
    func run() throws {
        try first.mount()
        try first.succeed("disk", "create", "data", "--size", "64MiB", "--encrypted")
        let loop = try first.succeed("disk", "attach", "data", "--loop")
        try Command.succeed("mkfs.ext4", "-q", loop)
        let files = try first.makeFolder("files")
        try Command.succeed(
            "sh", "-ec",
            """
            cd "$0"; mkdir -p a/b; head -c 6000000 /dev/urandom > a/random; echo text > a/b/text
            ln -s b/text a/soft; truncate -s 1M a/holes; echo x >> a/holes
            """, files)
        try withFiles(of: first, on: loop) { place in
            try Command.succeed("rsync", "-aHAXS", files + "/", place + "/")
        }
        try first.succeed("snapshot", "create", "data", "--name", "s1")
        let snapshot = try Rig.hash(first.snapshot("s1"))
        try withFiles(of: first, on: loop) { try Data([1]).write(to: .init(filePath: $0 + "/new")) }
        try first.succeed("disk", "detach", "data")
        try first.succeed("unmount", first.mountPoint)

        try other.mount()
        let again = try other.succeed("disk", "attach", "data", "--loop")
        try withFiles(of: other, on: again) { place in
            let differences = try Command.succeed(
                "rsync", "-aHAXSnci", "--delete", "--exclude=/lost+found", "--exclude=/new",
                files + "/", place + "/")
            #expect(differences.isEmpty, "\(differences)")
            #expect(try Data(contentsOf: .init(filePath: place + "/new")) == Data([1]))
        }
        #expect(try Rig.hash(other.snapshot("s1")) == snapshot)
        try other.succeed("disk", "detach", "data")
        try other.succeed("unmount", other.mountPoint)
        let said = try other.succeed("check", other.store)
        #expect(said.contains("1 disk and 1 snapshot"), "\(said)")
    }

    /// The store goes by `store copy` to a folder, and from there to `further`: each has its disks.
    func copy(to further: [Rig]) throws {
        let before = try hash(on: first)
        var from = first
        for to in further {
            let said = try first.succeed("store", "copy", from.store, to.store)
            #expect(said.contains("all verified"), "\(said)")
            #expect(try first.succeed("store", "copy", from.store, to.store).contains("finished"))
            #expect(try hash(on: to) == before, "\(to.store)")
            from = to
        }
    }

    private func hash(on host: Rig) throws -> [String] {
        try host.mount("attach=data,ro")
        defer { _ = try? host.unmount() }
        return [try host.hash(ofDisk: "data"), try Rig.hash(host.snapshot("s1"))]
    }

    private func withFiles(of host: Rig, on loop: String, _ body: (String) throws -> Void) throws {
        let place = try host.makeFolder("mounted")
        try Command.succeed("mount", loop, place)
        try body(place)
        try Command.succeed("umount", place)
    }
}
