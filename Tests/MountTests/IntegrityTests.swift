import Foundation
import Testing

extension MountSuite {
    /// That what is read is what was written, in every way of writing.
    @Suite struct IntegrityTests {
        @Test(arguments: ["0", "1"]) func fioVerifiesWhatItWrote(direct: String) throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            try Command.succeed(
                "fio", "--name=verify", "--filename=" + rig.file("data"), "--size=32M",
                "--rw=randwrite", "--bsrange=512-64k", "--blockalign=512", "--direct=" + direct,
                "--ioengine=libaio", "--iodepth=8", "--verify=crc32c", "--verify_fatal=1",
                "--do_verify=1", "--verify_state_save=0", "--randrepeat=0")
        }

        /// Random operations of any offset and length, on a disk and on a plain file at once.
        @Test func unalignedOperationsEqualAPlainFiles() throws {
            let seed = UInt64.random(in: .min ... .max)
            print("seed \(seed)")
            var random = SeededRandom(seed: seed)
            let size = 8 << 20
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 8)
            let disk = try OpenedFile(rig.file("data"), O_RDWR)
            let plain = try OpenedFile(rig.folder + "/plain", O_RDWR | O_CREAT)
            try plain.truncate(to: size)
            for step in 0..<1500 {
                let offset = Int.random(in: 0..<size, using: &random)
                let length = min(size - offset, 1 << Int.random(in: 0...18, using: &random))
                switch Int.random(in: 0..<10, using: &random) {
                case 0...4:
                    let bytes = (0..<length).map { UInt8(truncatingIfNeeded: step &+ $0 &* 7) }
                    try disk.write(bytes, at: offset)
                    try plain.write(bytes, at: offset)
                case 5:
                    try disk.allocate(.punch, offset, length)
                    try plain.allocate(.punch, offset, length)
                case 6:
                    try disk.allocate(.zero, offset, length)
                    try plain.write([UInt8](repeating: 0, count: length), at: offset)
                case 7:
                    try disk.synchronize()
                default:
                    let same =
                        try disk.read(at: offset, count: length)
                        == plain.read(at: offset, count: length)
                    try #require(same, "seed \(seed), step \(step), \(length) at \(offset)")
                }
            }
            #expect(try disk.read(at: 0, count: size) == plain.read(at: 0, count: size))
            try rig.compare("data", with: rig.folder + "/plain")
        }

        /// A daemon killed under load loses nothing that it acknowledged, flushed or not.
        @Test func aKilledDaemonLosesNothingAcknowledged() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            let load = SequencedLoad(blocks: 4096)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            let writer = load.start(on: file)
            try load.waitFor(2000, by: writer)
            try rig.killDaemon()
            writer.join()
            #expect(load.acknowledged >= 2000)
            try rig.succeed("unmount", rig.mountPoint)
            try rig.mount("attach=data")
            try load.check(
                try OpenedFile(rig.file("data"), O_RDONLY), atLeast: load.acknowledged)
            try rig.unmount()
        }

        /// A snapshot under load is one moment: all writes up to one of them, and none after it.
        @Test func snapshotsUnderLoadArePrefixes() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 64)
            let load = SequencedLoad(blocks: 512)
            let writer = load.start(on: try OpenedFile(rig.file("data"), O_RDWR))
            var taken: [(name: String, before: Int)] = []
            for index in 0..<4 {
                let before = load.acknowledged + 300
                try load.waitFor(before, by: writer)
                taken.append(("s\(index)", before))
                try rig.request("CreateSnapshot DiskId=data SnapshotName=s\(index)")
            }
            load.stop()
            writer.join()
            for (name, before) in taken {
                try load.check(
                    try OpenedFile(rig.snapshot(name), O_RDONLY), atLeast: before)
            }
        }

        /// What a shared mapping holds dirty, and no write has told, is in a snapshot.
        @Test func aSnapshotHasWhatMappingsHoldDirty() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            let length = 1 << 20
            let memory = try #require(
                mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0))
            try #require(memory != MAP_FAILED)
            defer { munmap(memory, length) }
            memset(memory, 0xa5, length)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=mapped")
            memset(memory, 0x5a, length)
            let snapshot = try OpenedFile(rig.snapshot("mapped"), O_RDONLY)
            #expect(
                try snapshot.read(at: 0, count: length) == [UInt8](repeating: 0xa5, count: length))
            #expect(try rig.tryRequest("DetachDisk DiskId=data").errno == EBUSY)
        }
    }
}

extension Rig {
    /// Compares a disk's file with a plain one, past the kernel's cache, and again after a remount.
    func compare(_ disk: String, with plain: String) throws {
        try Command.succeed("cmp", file(disk), plain)
        try Command.succeed(
            "sh", "-c", "dd if=\"$0\" iflag=direct bs=1M status=none | cmp - \"$1\"",
            file(disk), plain)
    }
}
