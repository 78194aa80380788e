import ControlPlane
import DiskEngine
import Glibc
import LocalStore
import Testing

@testable import sealdisk

/// Commands on a store that is not mounted: opened by this process for each action.
@Suite struct ClientTests {
    private let folder: TemporaryFolder
    private var store: String { folder.path + "/store" }

    /// These stores come and go: nothing of them is to stay on the host.
    private static let withoutAnchor = setenv("SEALDISK_ANCHOR", "none", 1)

    init() throws {
        try #require(Self.withoutAnchor == 0)
        folder = try TemporaryFolder()
        _ = try Store.create(
            in: LocalStore.create(at: folder.path + "/store"), account: "a", region: "r")
    }

    private func client(keyFile: String? = "key") throws -> Client {
        var arguments = ["--store", store, "--keystore", folder.path + "/keys/keystore.json"]
        if let keyFile { arguments += ["--key-file", "\(folder.path)/\(keyFile)"] }
        return try Client(GlobalOptions.parse(arguments))
    }

    private func exitCode(_ client: Client, _ request: Request) -> Int32 {
        do {
            try client.ask(request)
            return 0
        } catch {
            return error.exitCode
        }
    }

    @Test func actionsAreCarriedOut() throws {
        let client = try client()
        #expect(client.door == .store(path: store))
        let encrypted = Request(
            "CreateDisk", ["DiskName": "data", "Size": "1GiB", "Encrypted": "true"])
        #expect(exitCode(client, encrypted) == 6)
        try client.ask(Request("OpenKmsService"))
        let id = try client.ask(encrypted).fields.text("DiskId")
        let disk = try DiskCommand.describe("data", through: client)
        #expect(disk.text("DiskId") == id)
        #expect(disk.flag("Encrypted"))
        try client.ask(Request("CreateSnapshot", ["DiskId": "data", "SnapshotName": "s"]))
        try client.ask(Request("DeleteSnapshot", ["SnapshotId": "s"]))
        try client.ask(Request("DeleteDisk", ["DiskId": "data"]))
    }

    @Test func refusalsHaveTheExitCodeOfTheirKind() throws {
        let client = try client()
        #expect(exitCode(client, Request("CreateDisk", ["Size": "0"])) == 2)
        #expect(exitCode(client, Request("DeleteDisk", ["DiskId": "none"])) == 3)
        try client.ask(Request("CreateDisk", ["Size": "1", "DiskName": "data"]))
        #expect(exitCode(client, Request("DetachDisk", ["DiskId": "data"])) == 5)
        #expect(exitCode(client, Request("AttachDisk", ["DiskId": "data"])) == 9)
        #expect(throws: Failure.self) { try client.demandMount(for: "attaching a disk") }
    }

    @Test func theWrongKeyFileIsToldAtOnce() throws {
        let request = Request("CreateDisk", ["Size": "1", "Encrypted": "true"])
        let right = try client()
        try right.ask(Request("OpenKmsService"))
        try right.ask(request)
        #expect(exitCode(try client(keyFile: "missing"), request) == 6)
        // The keystore remembers where its key file is.
        try client(keyFile: nil).ask(request)
    }

    @Test func aStoreInUseNamesItsHolder() throws {
        let client = try client()
        let opened = try openStore(
            at: store, keys: KeySource(keystore: folder.path + "/k", unlocker: nil),
            holder: "a test that holds it")
        do {
            try client.ask(Request("DescribeDisks"))
            Issue.record("a store was opened twice")
        } catch {
            #expect(error.exitCode == 5)
            #expect(error.message.contains("a test that holds it"))
        }
        try opened.store.close()
        try client.ask(Request("DescribeDisks"))
    }

    @Test func whatIsNoStoreIsSaidToBeNone() throws {
        let empty = try TemporaryFolder()
        do {
            _ = try openStore(at: empty.path, keys: KeySource(), holder: "a test")
            Issue.record("an empty folder was opened as a store")
        } catch {
            #expect(error.exitCode == 3)
            #expect(error.message.contains(empty.path))
        }
        #expect(throws: Failure.self) { try AbsolutePath.existing("/nonexistent", as: "store") }
    }

    @Test func theControlFileOfNoMountIsUnreachable() {
        #expect(throws: Failure.self) {
            try ControlFile.perform("DescribeDisks", at: folder.path)
        }
    }
}
