import CLoopDevice
import Glibc

extension LoopDevice {
    private var partitions: [(name: String, device: DeviceNumber)] {
        blockDevices.filter { $0.name != "loop\(number)" }
    }

    /// The device of a partition.
    func path(ofPartition partition: Int) -> String { "\(path)p\(partition)" }

    /// Makes the nodes of partitions where nobody else does (a container without udev).
    func makePartitionNodes() {
        for (name, device) in partitions where access("/dev/\(name)", F_OK) != 0 {
            // One that cannot be made is missed by whoever wants it, under its name.
            mknod("/dev/\(name)", S_IFBLK | 0o660, dev_t(device.packed))
        }
    }

    /// After the device is free: the nodes that nobody else took away with its partitions.
    func removePartitionNodes() {
        let prefix = "loop\(number)p"
        for name in HostText.names(in: "/dev") where name.hasPrefix(prefix) {
            guard Int(name.dropFirst(prefix.utf8.count)) != nil else { continue }
            if access("\(system)/\(name)", F_OK) != 0 { unlink("/dev/\(name)") }
        }
    }

    /// Has the kernel look for partitions again, if the device has any. While one of them is in use
    /// it does not; then they stay as they are, which a larger device does not change.
    func rescanPartitions(_ descriptor: Int32) {
        guard settings.hasPartitions else { return }
        if sealdisk_reread_partitions(descriptor) == 0 { makePartitionNodes() }
    }

    /// Gives back all that the device holds, so that the disk is blank.
    func discardAll() throws(Failure) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failed("open \(path)", errno) }
        defer { close(descriptor) }
        guard sealdisk_discard_all(descriptor) == 0, fsync(descriptor) == 0 else {
            throw Self.failed("blank \(path)", errno)
        }
    }
}
