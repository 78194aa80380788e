import Foundation
import Testing

extension MountSuite {
    /// File systems on loop devices over encrypted disks.
    @Suite struct FileSystemTests {
        enum Kind: String, CaseIterable, Sendable {
            case ext4, xfs

            func make(_ device: String) throws {
                switch self {
                case .ext4: try Command.succeed("mkfs.ext4", "-q", device)
                case .xfs: try Command.succeed("mkfs.xfs", "-q", "-f", device)
                }
            }

            func check(_ device: String) throws {
                switch self {
                case .ext4: try Command.succeed("e2fsck", "-fn", device)
                case .xfs: try Command.succeed("xfs_repair", "-n", device)
                }
            }

            /// For a copy of a file system whose original may be mounted, too.
            var copyOptions: String { self == .xfs ? "nouuid" : "defaults" }
        }

        @Test(arguments: Kind.allCases)
        func treesSurviveUnmountingAndAreSeenInSnapshots(kind: Kind) throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 400)
            var loop = try rig.loop("data")
            try kind.make(loop)
            let files = try rig.makeFolder("files")
            try Command.succeed("mount", loop, files)
            try SampleTree.write(to: rig.folder + "/tree")
            try Command.succeed("cp", "-a", rig.folder + "/tree", files + "/tree")
            try Command.succeed("sync", "-f", files)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            try Command.succeed("rm", "-r", files + "/tree/linux")
            try Data("new".utf8).write(to: URL(fileURLWithPath: files + "/tree/new"))
            try Command.succeed("fstrim", files)
            try Command.succeed("umount", files)
            try kind.check(loop)

            try Self.checkSnapshot("monday", of: rig, kind, at: files)
            try Command.succeed("losetup", "-d", loop)
            try rig.unmount()

            try rig.mount("attach=data")
            loop = try rig.loop("data")
            try Command.succeed("mount", loop, files)
            try Command.succeed("rm", "-r", rig.folder + "/tree/linux")
            try Command.succeed("rm", files + "/tree/new")
            try SampleTree.compare(rig.folder + "/tree", files + "/tree")
            try Command.succeed("umount", files)
            try kind.check(loop)
            try Command.succeed("losetup", "-d", loop)
            try rig.unmount()
        }

        /// A snapshot holds the tree as it was: seen through a disk made from it, whose journal is
        /// played as after a power cut; and on ext4 also read-only from the snapshot itself.
        private static func checkSnapshot(
            _ name: String, of rig: Rig, _ kind: Kind, at place: String
        ) throws {
            try rig.request("CreateDisk DiskName=copy SnapshotId=\(name)")
            try rig.request("AttachDisk DiskId=copy")
            var mounts = [(device: try rig.loop("copy"), options: kind.copyOptions)]
            if kind == .ext4 {
                mounts.append((try rig.loop(name, readOnly: true), "ro,noload"))
            }
            for (device, options) in mounts {
                try Command.succeed("mount", "-o", options, device, place)
                try SampleTree.compare(rig.folder + "/tree", place + "/tree")
                try Command.succeed("umount", place)
                if options == kind.copyOptions { try kind.check(device) }
                try Command.succeed("losetup", "-d", device)
            }
        }

        /// The way between plain and encrypted disks is to copy files.
        @Test func rsyncGoesBothWays() throws {
            let rig = try Rig()
            try rig.mount()
            var places: [String] = []
            for (name, encrypted) in [("plain", false), ("sealed", true), ("back", false)] {
                try rig.attachDisk(name, encrypted: encrypted, mebibytes: 200)
                let loop = try rig.loop(name)
                try FileSystemTests.Kind.ext4.make(loop)
                places.append(try rig.makeFolder("fs-" + name))
                try Command.succeed("mount", loop, places.last!)
            }
            try SampleTree.write(to: places[0] + "/tree")
            for (from, to) in zip(places, places.dropFirst()) {
                try Command.succeed("rsync", "-aHAX", from + "/tree/", to + "/tree/")
                let rest = try Command.succeed(
                    "rsync", "-aHAXnci", "--delete", from + "/tree/", to + "/tree/")
                #expect(rest == "", "what a second run would still copy")
            }
            try SampleTree.compare(places[0] + "/tree", places[2] + "/tree")
        }

        @Test func aFileSystemGrowsWithItsDisk() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            let loop = try rig.loop("data")
            try Kind.ext4.make(loop)
            try rig.request("ResizeDisk DiskId=data NewSize=128MiB")
            try Command.succeed("losetup", "-c", loop)
            try Command.succeed("e2fsck", "-fp", loop)
            try Command.succeed("resize2fs", loop)
            try Kind.ext4.check(loop)
            let size = try Command.succeed("blockdev", "--getsize64", loop)
            #expect(size == "\(128 << 20)")
        }
    }
}

/// A tree of real files with what trees have: folders, links of both kinds, holes, modes, names.
enum SampleTree {
    /// Throws, with the difference, unless both trees are the same.
    static func compare(_ one: String, _ other: String) throws {
        try Command.succeed("diff", "-r", "--no-dereference", one, other)
    }

    static func write(to path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        try Command.succeed("cp", "-a", "/usr/include/linux", path + "/linux")
        let big = path + "/a name with blanks, äöü"
        try Command.succeed("head", "-c", "5000001", "/dev/urandom", "--", into: big)
        try Command.succeed("ln", big, path + "/hard")
        try Command.succeed("ln", "-s", "linux/fs.h", path + "/soft")
        try Command.succeed("truncate", "-s", "10M", path + "/sparse")
        try Command.succeed("chmod", "4750", path + "/hard")
    }
}

extension Command {
    /// Runs a program whose output becomes a file.
    fileprivate static func succeed(_ arguments: String..., into path: String) throws {
        let words = arguments.filter { $0 != "--" }.joined(separator: " ")
        try succeed("sh", "-c", "\(words) > \"$0\"", path)
    }
}
