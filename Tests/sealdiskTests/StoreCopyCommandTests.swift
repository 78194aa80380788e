import ControlPlane
import DiskEngine
import Glibc
import Testing

@testable import sealdisk

/// `sealdisk store copy` as it is run, between real folders.
@Suite struct StoreCopyCommandTests {
    private typealias Done = (code: Int32, output: String, errors: String)

    private let folder: TemporaryFolder
    private var store: String { "\(folder.path)/store" }
    private var copy: String { "\(folder.path)/copy" }
    private var keys: KeySource {
        KeySource(
            keystore: "\(folder.path)/keystore.json", unlocker: .keyFile("\(folder.path)/key"))
    }
    private static let content = [UInt8](repeating: 7, count: 1 << 20)

    /// A store with an encrypted disk `data` that holds something, and its keys.
    init() throws {
        folder = try TemporaryFolder()
        #expect(try run("init \(store)").code == 0)
        let keystore = "--keystore \(folder.path)/keystore.json --key-file \(folder.path)/key"
        #expect(try run("kms activate \(keystore)").code == 0)
        #expect(
            try run("disk create data --size 64M --encrypted --store \(store) \(keystore)").code
                == 0)
        try session(of: store) { disk in
            try Self.content.withUnsafeBytes { try disk.write($0, at: 8 << 20) }
        }
    }

    /// The disk of a store, attached.
    private func session(of path: String, _ work: (Disk) throws -> Void) throws {
        let opened = try openStore(
            at: path, keys: keys, holder: "a test",
            anchor: AnchorChoice("\(folder.path)/anchor/"))
        defer { #expect(throws: Never.self) { try opened.store.close() } }
        let id = try #require(try opened.store.disks().first?.id)
        try work(try opened.store.attach(id))
        try opened.store.detach(id)
    }

    private func run(_ arguments: String) throws -> Done {
        let tests = AbsolutePath.resolve("/proc/self/exe") ?? ""
        let build = tests.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
        let errors = "\(folder.path)/errors"
        let command =
            "SEALDISK_ANCHOR='\(folder.path)/anchor/' '\(build)/sealdisk' \(arguments)"
            + " 2>'\(errors)' </dev/null"
        let stream = try #require(popen(command, "r"))
        let output = String(decoding: HostText.bytes(of: fileno(stream)) ?? [], as: UTF8.self)
        let status = pclose(stream)
        try #require(status & 0x7f == 0)
        return (status >> 8 & 0xff, output, HostText.read(errors) ?? "")
    }

    /// Bytes that a folder takes.
    private func space(of path: String) throws -> Int {
        let stream = try #require(popen("du -s -B1 '\(path)/lineages'", "r"))
        defer { pclose(stream) }
        let text = String(decoding: HostText.bytes(of: fileno(stream)) ?? [], as: UTF8.self)
        return try #require(text.split(separator: "\t").first.flatMap { Int($0) })
    }

    private func isSame() -> Bool {
        system("diff -r --exclude=reserve --exclude=.lock '\(store)' '\(copy)' >/dev/null") == 0
    }

    @Test func aCopyIsUsedWithTheSameKeys() throws {
        // No key is asked for: there is none where it would be looked for.
        let done = try run("store copy \(store) \(copy) --json --progress json")
        #expect(done.code == 0, "\(done)")
        let json = try JSON(parsing: done.output.utf8)
        try CommandLinePage.read().demandMembers(of: json, printedBy: "store copy")
        #expect(json.text("Store") == store && json.text("Copy") == copy)
        #expect(json.count("Bytes") > json.count("WrittenBytes"))
        #expect(json.count("WrittenBytes") >= UInt64(Self.content.count))
        #expect(json["WasWhole"] == .bool(false) && json["Foreign"]?.array == [])
        #expect(isSame())
        // The host's own space, with what its file system needs for the names.
        #expect(try space(of: copy) <= space(of: store) + (64 << 10))
        let keystore = "--keystore \(folder.path)/keystore.json --key-file \(folder.path)/key"
        let checked = try run("check \(copy) \(keystore) --json")
        #expect(checked.code == 0, "\(checked)")
        #expect(try JSON(parsing: checked.output.utf8).count("VerifiedBytes") >= 1 << 20)

        // It is what the host remembers of the store, by its anchor; then it goes on alone.
        try session(of: copy) { disk in
            var bytes = [UInt8](repeating: 0, count: Self.content.count)
            try bytes.withUnsafeMutableBytes { try disk.read(into: $0, at: 8 << 20) }
            #expect(bytes == Self.content)
            try bytes.withUnsafeBytes { try disk.write($0, at: 0) }
        }
        do {
            try session(of: store) { _ in }
            Issue.record("the origin went on behind its copy")
        } catch let error as DiskError {
            #expect(error.code == .rolledBack)
        }
        let again = try run("store copy \(store) \(copy)")
        #expect(again.code == 4 && again.errors.contains("differs"), "\(again)")
    }

    @Test func whatAnInterruptionLeftIsNoStoreUntilItIsWhole() throws {
        // What a kill at the beginning leaves: the mark, and a chunk that is not what it should be.
        #expect(try run("store copy \(store) \(copy)").code == 0)
        let identity = try storeIdentity(at: copy)
        let mark = #"{"format":"sealdisk-copy","store":"\#(identity.storeID)","version":1}"#
        #expect(system("echo '\(mark)' >'\(copy)/store.json'") == 0)
        let spoil =
            "find '\(copy)' -name '*.chunk' -exec dd if=/dev/urandom of={} bs=4096 count=3 seek=1"
            + " conv=notrunc status=none ';'"
        #expect(system(spoil) == 0 && !isSame())
        #expect(mkdir("\(folder.path)/mnt", 0o700) == 0)
        for command in [
            "check \(copy)", "mount \(copy) \(folder.path)/mnt", "disk list --store \(copy)",
            "store copy \(copy) \(folder.path)/third",
        ] {
            let done = try run(command)
            #expect(done.code == 5, "\(command): \(done)")
            #expect(done.errors.contains("was not finished"), "\(command): \(done)")
            #expect(done.errors.contains("sealdisk store copy"), "\(command): \(done)")
        }
        #expect(access("\(folder.path)/third", F_OK) != 0)
        let done = try run("store copy \(store) \(copy)")
        #expect(done.code == 0 && done.output.contains("all verified"), "\(done)")
        #expect(isSame())
        let again = try run("store copy \(store) \(copy)")
        #expect(again.code == 0 && again.output.contains("finished already"), "\(again)")
    }

    @Test func whatCannotBeIsRefused() throws {
        let (other, full) = ("\(folder.path)/other", "\(folder.path)/full")
        #expect(try run("init \(other)").code == 0)
        #expect(mkdir(full, 0o700) == 0 && system("touch '\(full)/file'") == 0)
        let refusals: [(String, Int32, String)] = [
            ("\(store) \(store)", 2, "to itself"), ("\(store) \(store)/copy", 2, "in the other"),
            ("\(store) \(folder.path)", 2, "in the other"),
            ("\(store) \(other)", 4, "another store"),
            ("\(store) \(full)", 4, "not empty"), ("\(full) \(copy)", 3, "no SealDisk store"),
            ("\(store) \(folder.path)/none/copy", 3, "mkdir -p"),
            ("\(folder.path)/none \(copy)", 3, "none"),
            ("\(store) \(full)/file", 2, "not a folder"),
            ("\(store) \(copy) --rate x", 2, "--rate"),
        ]
        for (arguments, code, text) in refusals {
            let done = try run("store copy \(arguments)")
            #expect(done.code == code && done.errors.contains(text), "\(arguments): \(done)")
            #expect(done.output == "")
        }
        // Nothing was made, and nothing left behind.
        #expect(access(copy, F_OK) != 0 && HostText.names(in: full) == ["file"])
    }

    @Test func aStoreInUseIsRefused() throws {
        try session(of: store) { _ in
            let done = try run("store copy \(store) \(copy)")
            #expect(done.code == 5 && done.errors.contains("in use by `a test`"), "\(done)")
        }
        #expect(access(copy, F_OK) != 0)
        #expect(try run("store copy \(store) \(copy)").code == 0)
        try session(of: copy) { _ in
            let done = try run("store copy \(store) \(copy)")
            #expect(done.code == 5 && done.errors.contains(copy), "\(done)")
        }
    }

    @Test func whatIsNoPartOfTheStoreIsTold() throws {
        #expect(symlink("/etc/passwd", "\(store)/link") == 0)
        #expect(mkdir("\(store)/notes", 0o700) == 0)
        let done = try run("store copy \(store) \(copy)")
        #expect(done.code == 0)
        #expect(done.errors.contains("not copied: link: it is a symbolic link"), "\(done)")
        #expect(done.errors.contains("not copied: notes: it belongs to no store"), "\(done)")
        #expect(!isSame() && Set(HostText.names(in: copy)) == [".lock", "lineages", "store.json"])
        unlink("\(store)/link")
        rmdir("\(store)/notes")
        #expect(isSame())
    }

    @Test func aStoreThatNobodyMayWriteIsCopied() throws {
        // Without the lock's file, as on a medium that was burnt of another copy.
        #expect(unlink("\(store)/.lock") == 0)
        #expect(system("chmod -R a-w '\(store)'") == 0)
        defer { system("chmod -R u+w '\(store)'") }
        #expect(try run("store copy \(store) \(copy)").code == 0)
        #expect(isSame() && access("\(store)/.lock", F_OK) != 0)
    }
}
