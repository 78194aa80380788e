import Glibc

/// Where this host keeps what is its own and outlives a restart.
enum StateFolder {
    /// `/var/lib/sealdisk/NAME` for root, else in the user's state folder (XDG Base Directory
    /// Specification); nil where that is not known.
    static func path(_ name: String) -> String? {
        if geteuid() == 0 { return "/var/lib/sealdisk/\(name)" }
        func folder(_ name: String) -> String? {
            environmentVariable(name).flatMap { $0.hasPrefix("/") ? $0 : nil }
        }
        let state = folder("XDG_STATE_HOME") ?? folder("HOME").map { "\($0)/.local/state" }
        return state.map { "\($0)/sealdisk/\(name)" }
    }

    /// Makes a folder and those above it, for this user alone. Returns why it cannot, or nil.
    static func make(_ path: String) -> String? {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/\(part)"
            if mkdir(made, 0o700) != 0, errno != EEXIST { return String(cString: strerror(errno)) }
        }
        return nil
    }
}
