import ControlPlane

/// A disk that is attached at a mount, with what the command line sets up over its file.
struct AttachedDisk {
    let file: String

    /// nil if the disk is not attached, or not through a mount.
    init?(_ disk: JSON, through client: Client) {
        guard case .mount(let mount) = client.door, disk.flag("Open") else {
            return nil
        }
        file = mount.file(ofDisk: disk.text("Name"))
    }

    /// Takes the loop devices away, none if one of them is in use: a refusal changes nothing.
    @discardableResult
    func removeLoops() throws(Failure) -> [(path: String, isReadOnly: Bool)] {
        let loops = LoopDevice.all(of: file)
        for loop in loops { try loop.checkUnused() }
        let removed = loops.map { ($0.path, $0.isReadOnly) }
        for loop in loops { try loop.remove() }
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
            for loop in removed {
                _ = try? LoopDevice.create(over: file, readOnly: loop.isReadOnly)
            }
            throw error.naming(holdersOf: file)
        }
        return try removed.map { loop throws(Failure) in
            try LoopDevice.create(over: file, readOnly: loop.isReadOnly).path
        }
    }
}
