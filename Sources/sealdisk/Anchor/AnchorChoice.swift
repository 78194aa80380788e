import DiskEngine
import Glibc

/// Where a store's past is remembered, as the mount option `anchor` or the environment variable
/// `SEALDISK_ANCHOR` says.
struct AnchorChoice: Sendable, Hashable {
    enum Place: Sendable, Hashable {
        /// A file named after the store, in the host's state directory.
        case usual
        case file(String)
        /// A file named after the store, in this folder (the path ends in a slash).
        case folder(String)
        case nowhere
    }

    var place = Place.usual
    /// Whether no flush is answered before the anchor knows of it.
    var isStrict = false

    init() {}

    /// `none`, `strict`, a file's path, or a folder's with a slash at its end.
    init(_ text: String) {
        switch text {
        case "none": place = .nowhere
        case "strict": isStrict = true
        case _ where text.hasSuffix("/"): place = .folder(text)
        default: place = .file(text)
        }
    }

    /// What `SEALDISK_ANCHOR` says, else the usual place.
    static var ofEnvironment: AnchorChoice {
        environmentVariable("SEALDISK_ANCHOR").map(AnchorChoice.init) ?? AnchorChoice()
    }

    /// The same, strict: in the usual place if it said none.
    var strict: AnchorChoice {
        var choice = place == .nowhere ? AnchorChoice() : self
        choice.isStrict = true
        return choice
    }

    /// The same for a process that leaves the current folder.
    var absolute: AnchorChoice {
        var choice = self
        switch place {
        case .file(let path): choice.place = .file(AbsolutePath.ofFile(path))
        case .folder(let path): choice.place = .folder(AbsolutePath.ofFile(path))
        case .usual, .nowhere: break
        }
        return choice
    }

    /// The path that was given, or the folder that is used; nil if there is none.
    var path: String? {
        switch place {
        case .file(let path), .folder(let path): path
        case .usual: StateFolder.path("anchors")
        case .nowhere: nil
        }
    }

    /// The anchor of this store; nil for none. Throws if it would lie in the store itself, and be
    /// put back with it; or if a place is not known and strictness was asked for.
    func anchoring(ofStore id: String, at store: String) throws(Failure) -> Anchoring? {
        let file: String
        switch place {
        case .nowhere: return nil
        case .file(let path): file = AbsolutePath.ofFile(path)
        case .folder(let path): file = AbsolutePath.ofFile(path) + "\(id).json"
        case .usual:
            guard let folder = StateFolder.path("anchors") else {
                guard isStrict else { return nil }
                throw Failure(
                    .invalid, "There is no state folder for a freshness anchor: HOME is not set.",
                    advice: "Name a file: anchor=PATH with anchor_strict.")
            }
            file = "\(folder)/\(id).json"
        }
        guard !MountPlan.real(file).hasPrefix(store == "/" ? "/" : "\(store)/") else {
            throw Failure(
                .invalid, "The freshness anchor \(file) lies in the store \(store).",
                advice: "It would be put back with the store: keep it on another medium.")
        }
        return Anchoring(AnchorFile(path: file), isStrict: isStrict)
    }
}
