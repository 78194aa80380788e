import Foundation
import Testing

/// A store, its keystore and a place to mount it, in a folder of their own. Whatever a test leaves
/// mounted, looped or running goes when the rig does.
final class Rig {
    let folder: String
    /// Its folder, or its URI.
    let store: String
    var mountPoint: String { folder + "/mount" }
    let keystore: String
    let keyFile: String
    /// What commands are told besides.
    var moreEnvironment: [String: String]
    private var daemons: Set<pid_t> = []
    private let guardian: Guardian

    /// Makes a store in a folder, and activates its KMS. `prepare` runs before, with the place of
    /// the store, which exists.
    convenience init(prepare: (String) throws -> Void = { _ in }) throws {
        let folder = Self.newFolder()
        try self.init(in: folder, store: folder + "/store")
        try FileManager.default.createDirectory(
            atPath: store, withIntermediateDirectories: true)
        try prepare(store)
        try makeStore()
    }

    /// A host of that store, with a folder of its own, and the keys of another if there is one.
    init(
        in folder: String, store: String, keysOf other: Rig? = nil,
        environment: [String: String] = [:], seconds: Double = 300
    ) throws {
        self.folder = folder
        self.store = store
        keystore = other?.keystore ?? folder + "/keys/keystore.json"
        keyFile = other?.keyFile ?? folder + "/keys/key"
        moreEnvironment = environment
        guardian = Guardian(seconds: seconds, over: "the test of \(folder)")
        Guardian.add(folder + "/mount")
        // All stored properties are set: from here on `deinit` cleans up.
        for path in ["/mount", "/keys"] {
            try FileManager.default.createDirectory(
                atPath: folder + path, withIntermediateDirectories: true)
        }
    }

    static func newFolder() -> String {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        return base + "/mount-\(UUID().uuidString.prefix(8))"
    }

    /// Makes the store and activates its KMS, with a key file.
    func makeStore() throws {
        try Data((0..<64).map { _ in UInt8.random(in: 0...255) })
            .write(to: URL(fileURLWithPath: keyFile))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: keyFile)
        try succeed("init", store)
        try succeed("kms", "activate", "--store", store, "--key-file", keyFile)
    }

    deinit { cleanUp() }

    /// The program, as it was built beside this test.
    static let program: String = {
        let bundle = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return (bundle.map { ($0 as NSString).deletingLastPathComponent } ?? ".") + "/sealdisk"
    }()

    /// Every command is about this store, whatever else is mounted on the host.
    var environment: [String: String] {
        [
            "SEALDISK_KEYSTORE": keystore, "SEALDISK_STORE": store,
            "SEALDISK_ANCHOR": folder + "/anchors/",
        ].merging(moreEnvironment) { $1 }
    }

    /// Runs the program, whatever comes of it.
    func sealdisk(_ arguments: String..., environment more: [String: String] = [:]) throws
        -> Command.Outcome
    {
        try Command.run(
            Self.program, arguments, environment: environment.merging(more) { $1 })
    }

    /// Runs the program; throws unless it succeeds. Gives what it printed.
    @discardableResult
    func succeed(_ arguments: String...) throws -> String {
        let outcome = try Command.run(Self.program, arguments, environment: environment)
        guard outcome.status == 0 else { throw Command.Failure(description: "\(outcome)") }
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// `wrapper` is a program with arguments that runs the mount.
    func mount(
        _ options: String..., under wrapper: [String] = [], isFencing: Bool = false
    ) throws {
        var command = wrapper + [Self.program, "mount", store, mountPoint]
        if isFencing { command.append("--fence") }
        for option in options { command += ["-o", option] }
        let outcome = try Command.run(
            command[0], Array(command.dropFirst()), environment: environment)
        guard outcome.status == 0 else { throw Command.Failure(description: "\(outcome)") }
        daemons.insert(try daemon())
    }

    /// The process ends with the rig.
    func watch(_ daemon: pid_t) { daemons.insert(daemon) }

    /// Once more if it was in use by nobody who is there any more: a process that another test
    /// starts has this one's files until it executes.
    func unmount() throws {
        for _ in 0..<20 {
            let outcome = try sealdisk("unmount", mountPoint)
            if outcome.status == 0 { return }
            guard outcome.errors.contains("\(mountPoint) is in use.") else { break }
            usleep(100_000)
        }
        try succeed("unmount", mountPoint)
    }

    /// The process that serves the mount.
    func daemon() throws -> pid_t {
        let text = try Data(contentsOf: URL(fileURLWithPath: mountPoint + "/status.json"))
        let status = try JSONSerialization.jsonObject(with: text) as? [String: Any]
        return pid_t(try #require(status?["pid"] as? Int))
    }

    /// Kills the daemon without a chance to say goodbye, and waits until it is gone.
    func killDaemon() throws {
        let pid = try daemon()
        kill(pid, SIGKILL)
        // Gone, or a zombie that nobody collects: its mount does not answer any more.
        while try Command.run("cat", [mountPoint + "/status.json"]).status == 0 { usleep(1000) }
    }

    /// Performs a request through `control`, which must succeed; gives its reply.
    @discardableResult
    func request(_ text: String) throws -> [String: Any] {
        let (error, reply) = try tryRequest(text)
        guard error == 0 else { throw Command.Failure(description: "\(text): \(reply)") }
        return reply
    }

    /// Performs a request through `control`; the errno of its write, and its reply.
    func tryRequest(_ text: String) throws -> (errno: Int32, reply: [String: Any]) {
        let file = try OpenedFile(mountPoint + "/control", O_RDWR)
        let bytes = Array(text.utf8)
        let error = write(file.descriptor, bytes, bytes.count) < 0 ? errno : 0
        let reply = FileHandle(fileDescriptor: file.descriptor).readDataToEndOfFile()
        let object = try JSONSerialization.jsonObject(with: reply) as? [String: Any]
        return (error, try #require(object))
    }

    /// Makes a disk of `mebibytes` and attaches it.
    func attachDisk(_ name: String, encrypted: Bool = true, mebibytes: Int) throws {
        try request("CreateDisk DiskName=\(name) Size=\(mebibytes)MiB Encrypted=\(encrypted)")
        try request("AttachDisk DiskId=\(name)")
    }

    func file(_ disk: String) -> String { mountPoint + "/disks/" + disk }
    func snapshot(_ name: String) -> String { mountPoint + "/snapshots/" + name }

    /// A folder below the rig's.
    func makeFolder(_ name: String) throws -> String {
        let path = folder + "/" + name
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        return path
    }

    private func cleanUp() {
        unmountAll { $0 != "fuse.sealdisk" }
        for loop in loops() { _ = try? Command.run("losetup", ["-d", loop]) }
        unmountAll { _ in true }
        for pid in daemons {
            kill(pid, SIGKILL)
            // The note for whoever unmounts, if nobody did.
            unlink("/run/sealdisk-\(pid).failure")
            unlink("/run/sealdisk-\(pid).handover")
        }
        guardian.stop()
        Guardian.remove(mountPoint)
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Last mounted, first unmounted.
    private func unmountAll(_ isMeant: (String) -> Bool) {
        let lines =
            (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        for line in lines.split(separator: "\n").reversed() {
            let fields = line.split(separator: " ")
            guard fields.count > 8, fields[4].hasPrefix(folder + "/"),
                let dash = fields.firstIndex(of: "-"), isMeant(String(fields[dash + 1]))
            else { continue }
            _ = try? Command.run("umount", ["-l", String(fields[4])])
        }
    }

    /// Loop devices over files of this rig.
    func loops() -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/sys/block")) ?? []
        return names.filter { $0.hasPrefix("loop") }.compactMap { name in
            let file = "/sys/block/\(name)/loop/backing_file"
            let backing = try? String(contentsOfFile: file, encoding: .utf8)
            return backing?.hasPrefix(folder + "/") == true ? "/dev/" + name : nil
        }
    }
}
