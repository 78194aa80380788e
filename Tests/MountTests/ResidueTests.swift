import Foundation
import Testing

extension MountSuite {
    /// What is left of a disk's data in the daemon's memory.
    @Suite struct ResidueTests {
        /// Plaintext passes through buffers of the threads that serve requests; with the disk's key
        /// it leaves.
        @Test func nothingOfADetachedDiskIsInMemory() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            // Random, so that the search cannot meet it by chance.
            let marker = (0..<64).map { _ in UInt8.random(in: 0...255) }
            let block = Array(repeatElement(marker, count: 64).joined())
            let content = folderFile(rig, Array(repeatElement(block, count: 256).joined()))
            let disk = rig.mountPoint + "/disks/data"
            for arguments in [
                ["if=\(content)", "of=\(disk)", "bs=4k", "oflag=direct", "conv=notrunc"],
                ["if=\(content)", "of=\(disk)", "bs=1M", "oflag=direct", "conv=notrunc"],
                ["if=\(disk)", "of=/dev/null", "bs=1M", "count=1", "iflag=direct"],
                ["if=\(disk)", "of=/dev/null", "bs=4k", "count=256", "iflag=direct"],
            ] {
                #expect(try Command.run("dd", ["status=none"] + arguments).status == 0)
            }
            let daemon = try rig.daemon()
            #expect(try occurrences(of: marker, in: daemon) > 0, "the search finds what is there")
            try rig.request("DetachDisk DiskId=data")
            #expect(try occurrences(of: marker, in: daemon) == 0)
            // The threads serve as before.
            try rig.request("AttachDisk DiskId=data")
            try Command.succeed("cmp", "-n", "1048576", content, disk)
            try rig.unmount()
        }

        private func folderFile(_ rig: Rig, _ bytes: [UInt8]) -> String {
            let path = rig.folder + "/content"
            #expect(FileManager.default.createFile(atPath: path, contents: Data(bytes)))
            return path
        }

        private func occurrences(of marker: [UInt8], in process: pid_t) throws -> Int {
            let maps = try String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8)
            let memory = open("/proc/\(process)/mem", O_RDONLY | O_CLOEXEC)
            try #require(memory >= 0)
            defer { close(memory) }
            let needle = Data(marker)
            var count = 0
            for line in maps.split(separator: "\n") {
                let words = line.split(separator: " ")
                let ends = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
                guard words[1].hasPrefix("rw"), ends.count == 2 else { continue }
                // Reserved address space that was never touched is not worth reading.
                var window = [UInt8](repeating: 0, count: 1 << 20)
                var place = ends[0]
                while place < ends[1], ends[1] - ends[0] < 1 << 30 {
                    let length = min(window.count, Int(ends[1] - place))
                    let read = pread(memory, &window, length, off_t(place))
                    if read <= 0 { break }
                    let found = Data(window[..<read])
                    var rest = found.startIndex..<found.endIndex
                    while let hit = found.range(of: needle, in: rest) {
                        count += 1
                        rest = hit.upperBound..<found.endIndex
                    }
                    place += UInt64(read)
                }
            }
            return count
        }
    }
}
