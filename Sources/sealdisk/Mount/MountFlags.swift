import ControlPlane
import Logging

/// The `-o` options of a mount, as fstab(5) writes them: a comma between two, `name` or
/// `name=value` each.
struct MountFlags: Sendable, Hashable {
    enum Attach: Sendable, Hashable {
        case none, all
        /// Names or ids.
        case named([String])
    }

    var allowsOthers = false
    var isReadOnly = false
    var requiresEncryption = false
    var detectsZeroes = false
    /// Whether every disk is held to the speed of its category.
    var limitsSpeed = false
    /// Whether the mount may hide what its folder holds.
    var coversFiles = false
    /// Bytes; nil is the engine's own choice.
    var mapMemory: Int?
    var attach = Attach.none
    var keystore: String?
    var kms: String?
    var keyFile: String?
    var passphraseCommand: String?
    var logFile: String?
    /// The server of a store on S3.
    var endpoint: String?
    /// From which level on the operator is told.
    var logLevel = Logger.Level.info
    var anchor: AnchorChoice?
    var anchorChoice: AnchorChoice { anchor ?? .ofEnvironment }
    private var isAnchorStrict = false
    /// Whether a CMK that was disabled cuts its attached disks off.
    var fencesOnDisabledKey = false
    /// How often it is asked for, in seconds.
    var keyCheckPeriod: UInt32 = 60
    var endPatience = MountEnd.Patience.standard
    /// What the kernel is told as it stands.
    var kernelOptions: [String] = []

    /// What the engine needs at least, bytes.
    private static let leastMapMemory = 4 << 20

    /// For the kernel, which knows them by these names.
    private static let kernelNames: Set<String> = [
        "suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime", "noatime", "sync", "dirsync",
    ]
    /// mount(8)'s and systemd's own, which mean nothing here.
    private static let ignoredNames: Set<String> = [
        "rw", "defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "_netdev",
        "nofail", "async", "relatime", "loud",
    ]

    init(_ lists: [String]) throws(Failure) {
        for list in lists {
            for option in list.split(separator: ",") { try take(option) }
        }
        if keyFile != nil, passphraseCommand != nil {
            throw Self.refusal("key_file", "and passphrase_command exclude each other")
        }
        guard isAnchorStrict else { return }
        if case .nowhere = anchor?.place {
            throw Self.refusal("anchor_strict", "and anchor=none exclude each other")
        }
        anchor = (anchor ?? .ofEnvironment).strict
    }

    private mutating func take(_ option: Substring) throws(Failure) {
        let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        let value = parts.count > 1 ? String(parts[1]) : nil
        if name.hasPrefix("x-") || name.hasPrefix("X-") || name == "comment" { return }
        if value == nil, Self.ignoredNames.contains(name) { return }
        if value == nil, Self.kernelNames.contains(name) { return kernelOptions.append(name) }
        switch (name, value) {
        case ("allow_other", nil): allowsOthers = true
        case ("ro", nil): isReadOnly = true
        case ("qos", nil): limitsSpeed = true
        case ("detect_zeroes", nil): detectsZeroes = true
        case ("nonempty", nil): coversFiles = true
        case ("require", "encrypted"): requiresEncryption = true
        case ("map_memory", let text?): mapMemory = try Self.bytes(text)
        case ("end_timeout", let text?): endPatience = try Self.patience(text)
        case ("attach", "all"): attach = .all
        case ("attach", let names?) where !names.isEmpty:
            attach = .named(names.split(separator: ":").map(String.init))
        case ("keystore", let path?) where !path.isEmpty: keystore = path
        case ("kms", let uri?) where !uri.isEmpty: kms = uri
        case ("key_policy", "fence"): fencesOnDisabledKey = true
        case ("key_policy", "keep-until-detach"): fencesOnDisabledKey = false
        case ("key_check", let text?): keyCheckPeriod = try Self.seconds("key_check", text)
        case ("key_file", let path?) where !path.isEmpty: keyFile = path
        case ("passphrase_command", let command?) where !command.isEmpty:
            passphraseCommand = command
        case ("anchor", "strict"): isAnchorStrict = true
        case ("anchor", let text?) where !text.isEmpty: anchor = AnchorChoice(text)
        case ("anchor_strict", nil): isAnchorStrict = true
        case ("log_level", let text?): logLevel = try Self.level(text)
        case ("endpoint", let url?) where !url.isEmpty: endpoint = url
        case ("log_file", let path?) where !path.isEmpty: logFile = path
        default: throw Self.refusal(String(option), "is not an option that can be used here")
        }
    }

    /// `256M`, `1G`, or plain bytes.
    private static func bytes(_ text: String) throws(Failure) -> Int {
        let units: [Character: Int] = ["K": 10, "M": 20, "G": 30]
        let shift = text.last.flatMap { units[$0] }
        let digits = shift == nil ? text : String(text.dropLast())
        guard let count = Int(digits), count > 0, count <= Int.max >> (shift ?? 0) else {
            throw refusal("map_memory=\(text)", "is no size: write 256M, for instance")
        }
        let size = count << (shift ?? 0)
        guard size >= leastMapMemory else {
            throw refusal("map_memory=\(text)", "is too little: give at least 4M")
        }
        return size
    }

    static func level(_ text: String) throws(Failure) -> Logger.Level {
        if let level = Logger.Level(rawValue: text) { return level }
        let all = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
        throw refusal("log_level=\(text)", "is no level: there are \(all)")
    }

    private static func patience(_ text: String) throws(Failure) -> MountEnd.Patience {
        let seconds = try Self.seconds("end_timeout", text)
        return MountEnd.Patience(afterSignal: Double(seconds), afterUnmount: Double(seconds))
    }

    private static func seconds(_ option: String, _ text: String) throws(Failure) -> UInt32 {
        guard let seconds = UInt32(text), (1...86_400).contains(seconds) else {
            throw refusal("\(option)=\(text)", "is no time: write seconds, 75 for instance")
        }
        return seconds
    }

    private static func refusal(_ option: String, _ problem: String) -> Failure {
        Failure(
            .invalid, "The mount option \(option) \(problem).",
            advice: "See sealdisk mount --help for the options there are.")
    }
}
