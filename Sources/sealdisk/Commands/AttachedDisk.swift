import ControlPlane

/// A disk or snapshot whose file opens in a mount, with what the command line sets up over its
/// file.
struct AttachedDisk {
    let file: String

    /// Of a file of the mount, be it a snapshot's.
    init(file: String) { self.file = file }

    /// nil if the disk is not attached, or not through a mount.
    init?(_ disk: JSON, through client: Client) {
        guard case .mount(let mount) = client.door, disk.flag("Open") else {
            return nil
        }
        file = mount.file(ofDisk: disk.text("Name"))
    }

    /// Undoes what `attach` did: unmounts what it mounted, and no other, then takes the loop
    /// devices away. What can be known before to be in use is refused before anything is undone.
    /// `losing` where the disk takes no more writes: what was not written is lost already.
    func takeDown(losing: Bool = false) throws(Failure) {
        let loops = LoopDevice.all(of: file)
        let own = loops.flatMap(LoopMount.all(on:))
        let others = MountInfo.current().filter { mount in
            loops.contains { $0.isBelow(mount) } && !own.contains { $0.id == mount.id }
        }
        if let other = others.first {
            throw Failure(
                .busy, "\(other.source) is mounted at \(other.mountPoint).",
                advice: "umount \(other.mountPoint), then repeat.")
        }
        let users = FileHolders.processes(with: file)
        guard users.isEmpty else {
            throw Failure(
                .busy, "\(file) is open in \(Table.printable(users.joined(separator: ", "))).",
                advice: "Close it there, then repeat.")
        }
        for mount in own.reversed() { try mount.unmount() }
        try removeLoops(losing: losing)
    }

    /// Takes the loop devices away, none if one of them is in use: a refusal changes nothing.
    @discardableResult
    func removeLoops(losing: Bool = false) throws(Failure) -> [LoopSettings] {
        let loops = LoopDevice.all(of: file)
        for loop in loops { try loop.checkUnused() }
        let removed = loops.map(\.settings)
        for loop in loops { try loop.remove(losing: losing) }
        return removed
    }

    /// Runs `work`, which needs the file for itself, while no loop device has it open; afterwards
    /// there are as many as before, also when the work is refused. Gives their paths, which may be
    /// others.
    func withoutLoops(_ work: () throws(Failure) -> Void) throws(Failure) -> [String] {
        let removed = try removeLoops()
        do {
            try work()
        } catch {
            for settings in removed { _ = try? LoopDevice.create(over: file, settings) }
            throw error.naming(holdersOf: file)
        }
        return try removed.map { settings throws(Failure) in
            try LoopDevice.create(over: file, settings).path
        }
    }
}
