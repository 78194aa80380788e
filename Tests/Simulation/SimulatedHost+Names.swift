import CLinuxFile
import Glibc

extension SimulatedHost {
    func openFolder(_ path: String) -> Int32 {
        if let failure = begin(.open, path) { return failed(failure.code) }
        return open(SimulatedNames.root)
    }

    func openat(_ folder: Int32, _ name: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
        if let failure = begin(.open, "\(folder)/\(name)") { return failed(failure.code) }
        guard let parent = node(folder) else { return failed(EBADF) }
        if name == "." { return open(parent) }
        let place = SimulatedNames.Place(folder: parent, name: name)
        if let found = names.node(place) {
            if flags & O_EXCL != 0 { return failed(EEXIST) }
            if flags & O_DIRECTORY != 0, !folders.contains(found) { return failed(ENOTDIR) }
            let handle = open(found)
            return endOfCall(handle)
        }
        guard flags & O_CREAT != 0 else { return failed(ENOENT) }
        guard usedPages < capacity else { return failed(ENOSPC) }
        lastNode += 1
        files[lastNode] = SimulatedFile()
        names.change([(place, lastNode)], time: time)
        return endOfCall(open(lastNode))
    }

    func fstatat(_ folder: Int32, _ name: String, _ status: inout stat) -> Int32 {
        if let failure = begin(.stat, "\(folder)/\(name)") { return failed(failure.code) }
        guard let parent = node(folder) else { return failed(EBADF) }
        guard let found = names.node(.init(folder: parent, name: name)) else {
            return failed(ENOENT)
        }
        fill(&status, found)
        return endOfCall()
    }

    func mkdirat(_ folder: Int32, _ name: String, _ mode: mode_t) -> Int32 {
        if let failure = begin(.mkdir, "\(folder)/\(name)") { return failed(failure.code) }
        guard let parent = node(folder) else { return failed(EBADF) }
        let place = SimulatedNames.Place(folder: parent, name: name)
        if names.node(place) != nil { return failed(EEXIST) }
        lastNode += 1
        folders.insert(lastNode)
        names.change([(place, lastNode)], time: time)
        return endOfCall()
    }

    func unlinkat(_ folder: Int32, _ name: String, _ flags: Int32) -> Int32 {
        if let failure = begin(.unlink, "\(folder)/\(name)") { return failed(failure.code) }
        guard let parent = node(folder) else { return failed(EBADF) }
        let place = SimulatedNames.Place(folder: parent, name: name)
        guard let found = names.node(place) else { return failed(ENOENT) }
        if folders.contains(found) {
            guard flags & AT_REMOVEDIR != 0 else { return failed(EISDIR) }
            guard names.names(in: found).isEmpty else { return failed(ENOTEMPTY) }
        }
        names.change([(place, nil)], time: time)
        collect(found)
        return endOfCall()
    }

    func renameat(_ from: Int32, _ old: String, _ to: Int32, _ new: String) -> Int32 {
        rename(from, old, to, new, mayReplace: true)
    }

    func renameNew(_ from: Int32, _ old: String, _ to: Int32, _ new: String) -> Int32 {
        rename(from, old, to, new, mayReplace: false)
    }

    private func rename(
        _ from: Int32, _ old: String, _ to: Int32, _ new: String, mayReplace: Bool
    ) -> Int32 {
        if let failure = begin(.rename, "\(from)/\(old) \(to)/\(new)") {
            return failed(failure.code)
        }
        guard let source = node(from), let target = node(to) else { return failed(EBADF) }
        let (old, new) = (
            SimulatedNames.Place(folder: source, name: old),
            SimulatedNames.Place(folder: target, name: new)
        )
        guard let moved = names.node(old) else { return failed(ENOENT) }
        let replaced = names.node(new)
        if replaced != nil, !mayReplace { return failed(EEXIST) }
        names.change([(old, nil), (new, moved)], time: time)
        if let replaced { collect(replaced) }
        return endOfCall()
    }

    func entries(_ folder: Int32) -> [(name: String, type: Int)]? {
        if let failure = begin(.list, "\(folder)") {
            _ = failed(failure.code)
            return nil
        }
        guard let parent = node(folder) else {
            _ = failed(EBADF)
            return nil
        }
        let found = names.names(in: parent).map {
            (name: $0.name, type: Int(folders.contains($0.node) ? DT_DIR : DT_REG))
        }
        return endOfCall() == 0 ? found : nil
    }
}
