import Glibc

@testable import LocalStore

extension FuzzTarget {
    /// A store's lock file: lines of text that anybody may have written.
    static let lockText = FuzzTarget("lock-text") {
        ["sealdisk mount /mnt\n12\nhost\n2026-11-23T22:00:00Z\n"].map { Array($0.utf8) }
    } run: { bytes in
        guard let text = try read(bytes) else { return }
        _ = text.description
        let again = "\(text.holder)\n\(text.process)\n\(text.host)\n\(text.time)\n"
        // Bytes that are not text take three each when they are shown, and the file has its limit.
        if again.utf8.count > 4096 { return }
        requireSame(text.description) { try read(Array(again.utf8))?.description ?? "" }
    }

    private static func read(_ bytes: [UInt8]) throws -> LockText? {
        // In memory, and without a name as soon as it is open.
        let name = "sealdisk-fuzz-\(getpid())"
        let folder = try Descriptor(folderAt: "/dev/shm", "open /dev/shm")
        let file = try Descriptor(
            opening: name, in: folder, flags: O_RDWR | O_CREAT, mode: 0o600, "open \(name)")
        folder.discard(name)
        pwrite(file.number, bytes, bytes.count, 0)
        return LockText(readFrom: file)
    }

    /// The kernel's list of mounts; the parser is the program's own file, linked in here.
    static let mountInfo = FuzzTarget("mount-info") {
        [
            #"36 35 98:0 /root /mount\040point rw,noatime shared:1 - ext4 /dev/sda1 rw"#,
            "40 36 0:51 / /mnt/seal rw - fuse.sealdisk sealdisk rw,user_id=0,group_id=0",
        ].map { Array($0.utf8) }
    } run: { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(separator: "\n") {
            guard let mount = MountInfo(line: line) else { continue }
            let device = mount.device
            requireSame(device) { DeviceNumber(device.description) ?? DeviceNumber(packed: 0) }
            requireSame(device) { DeviceNumber(packed: device.packed) }
        }
    }
}
