import ControlPlane
import Glibc

/// What a mount would hide. To cover files is rarely meant; to cover the store is never.
enum MountCover {
    /// Throws where a mount point and a store lie one in the other, and, unless `nonempty` was
    /// said, where the mount point holds something. Both paths are real ones.
    static func check(_ mountPoint: String, store: String, isNonemptyAllowed: Bool) throws(Failure)
    {
        let isFolder = store.hasPrefix("/")
        guard !isFolder || !lies(mountPoint, in: store) && !lies(store, in: mountPoint) else {
            throw Failure(
                .invalid,
                "The mount point \(mountPoint) and the store \(store) lie one in the other: the"
                    + " mount would cover the store.",
                advice: "Mount it on a folder elsewhere.")
        }
        guard !isNonemptyAllowed, let name = HostText.names(in: mountPoint).first else { return }
        throw Failure(
            .busy,
            "The mount point \(mountPoint) is not empty ('\(Table.printable(name))' is in it),"
                + " and the mount would cover what it holds.",
            advice: "Mount on an empty folder, or cover it all the same: -o nonempty")
    }

    private static func lies(_ path: String, in folder: String) -> Bool {
        "\(path)/".hasPrefix(folder == "/" ? folder : "\(folder)/")
    }
}
