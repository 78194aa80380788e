import Foundation
import Testing

extension MountSuite {
    /// Days of snapshots, of a file system in use: each is a whole file system, with the file as it
    /// was. SEALDISK_DAYS is how many, SEALDISK_DAYS_SEED what happens in them.
    @Suite struct SnapshotDaysTests {
        private static let environment = ProcessInfo.processInfo.environment
        private static let days = environment["SEALDISK_DAYS"].flatMap(Int.init) ?? 24
        private static let seed =
            environment["SEALDISK_DAYS_SEED"].flatMap(UInt64.init) ?? .random(in: 0...UInt64.max)
        private static let kept = 5

        /// A file that is written, read, cut and punched at random, and what must be in it: the way
        /// of fsx.
        private struct Exerciser {
            let path: String
            var content: [UInt8] = []
            var generator = SeededRandom(seed: seed)
            private static let largest = 3 << 20

            init(_ path: String) { self.path = path }

            mutating func run(_ steps: Int) throws {
                let file = try OpenedFile(path, O_RDWR | O_CREAT)
                for _ in 0..<steps {
                    let offset = Int.random(in: 0..<Self.largest, using: &generator)
                    let length = Int.random(in: 1...200_000, using: &generator)
                    switch Int.random(in: 0..<6, using: &generator) {
                    case 0..<3:
                        let byte = UInt8.random(in: 1...255, using: &generator)
                        let bytes = (0..<length).map { byte &+ UInt8(truncatingIfNeeded: $0 >> 5) }
                        grow(to: offset + length)
                        content.replaceSubrange(offset..<offset + length, with: bytes)
                        try file.write(bytes, at: offset)
                    case 3:
                        let size = Int.random(in: 0...Self.largest, using: &generator)
                        grow(to: size)
                        content.removeLast(content.count - size)
                        try file.truncate(to: size)
                    case 4:
                        guard offset < content.count else { continue }
                        let end = min(content.count, offset + length)
                        content.replaceSubrange(
                            offset..<end, with: repeatElement(0, count: end - offset))
                        try file.allocate(.punch, offset, end - offset)
                    default:
                        let end = min(content.count, offset + length)
                        guard offset < end else { continue }
                        let isSame = try file.read(at: offset, count: end - offset)
                            .elementsEqual(content[offset..<end])
                        #expect(isSame, "\(end - offset) bytes at \(offset)")
                    }
                }
            }

            private mutating func grow(to size: Int) {
                let more = max(0, size - content.count)
                content.append(contentsOf: repeatElement(0, count: more))
            }
        }

        @Test func everyDayIsAWholeFileSystem() throws {
            print("SEALDISK_DAYS_SEED=\(Self.seed)")
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            let loop = try rig.loop("data")
            try Command.succeed("mkfs.ext4", "-q", "-F", loop)
            let place = try rig.makeFolder("ext4")
            try Command.succeed("mount", "-o", "discard", loop, place)
            var exerciser = Exerciser(place + "/file")
            var days: [(name: String, content: [UInt8])] = []
            for day in 0..<Self.days {
                try exerciser.run(40)
                let name = "day\(day)"
                try rig.succeed("snapshot", "create", "data", "--name", name, "--freeze")
                days.append((name, exerciser.content))
                let check = try Command.run("e2fsck", ["-fn", rig.snapshot(name)])
                #expect(check.status == 0, "\(check)")
                if days.count > Self.kept {
                    let gone = days.remove(
                        at: Int.random(in: 0..<days.count - 1, using: &exerciser.generator))
                    try rig.succeed("snapshot", "delete", gone.name, "--yes")
                }
            }
            let view = try rig.makeFolder("view")
            for (name, content) in days {
                try Command.succeed(
                    "mount", "-o", "ro,loop,noload", rig.snapshot(name), view)
                let found = try OpenedFile(view + "/file", O_RDONLY)
                    .read(at: 0, count: content.count + 1)
                #expect(found == content, "\(name)")
                try Command.succeed("umount", view)
            }
            try Command.succeed("umount", place)
            let check = try Command.run("e2fsck", ["-fn", loop])
            #expect(check.status == 0, "\(check)")
            try Command.succeed("losetup", "-d", loop)
            for (name, _) in days { try rig.succeed("snapshot", "delete", name, "--yes") }
            try rig.succeed("disk", "detach", "data")
            try rig.succeed("disk", "delete", "data", "--yes")
            try rig.unmount()
            let left = try Command.succeed("find", rig.store + "/lineages", "-type", "f")
            #expect(left.isEmpty, "\(left)")
        }
    }
}
