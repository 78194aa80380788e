import ControlPlane
import Testing

@testable import sealdisk

@Suite struct ProgramTests {
    @Test func everyKindOfErrorHasADocumentedExitCode() {
        let documented = ExitCodes.text.split(separator: "\n").compactMap {
            $0.split(separator: " ").first.flatMap { Int32($0) }
        }
        let others = [0, 1, ExitCodes.incomplete, 64]
        #expect(Set(documented) == Set(ErrorKind.allCases.map(\.exitCode) + others))
        #expect(documented.count == Set(documented).count)
        #expect(SealDisk.helpMessage().contains(ExitCodes.text.split(separator: "\n")[1]))
    }

    @Test func failuresSayWhatAndWhatNext() {
        let failure = Failure(.busy, "It is in use.", advice: "Close it.")
        #expect(failure.description == "sealdisk: It is in use.\nClose it.\n")
        #expect(failure.exitCode == 5)
        let refusal = Refusal(
            code: "InvalidDiskId.NotFound", message: "No such disk.", recommend: "Look.")
        #expect(Failure(refusal).exitCode == 3)
    }

    @Test func commandsAreUnderstood() throws {
        let create = try #require(
            try SealDisk.parseAsRoot([
                "disk", "create", "data", "--size", "1G", "--encrypted", "--store", "/srv/s",
            ]) as? DiskCommand.Create)
        #expect(create.name == "data")
        #expect(create.size == "1G")
        #expect(create.encryption == .encrypted)
        #expect(create.options.storePath == "/srv/s")
        let snapshot = try #require(
            try SealDisk.parseAsRoot(["snapshot", "create", "data", "--name", "monday"])
                as? SnapshotCommand.Create)
        #expect(snapshot.disk == "data" && snapshot.name == "monday")
        let activate = try #require(
            try SealDisk.parseAsRoot(["kms", "activate", "--key-file", "/k"])
                as? KMSCommand.Activate)
        #expect(activate.options.keys.keyFile == "/k")
    }

    @Test(arguments: [
        ["disk", "create", "data", "--siz", "1"],
        ["disk", "create", "data", "--size", "1", "--plain", "--encrypted"],
        ["disk", "attach", "data", "--read-only"],
        ["kms", "activate", "--key-file", "/k", "--passphrase-command", "cat"],
        ["init", "/srv/store", "--account", "a/b"],
        ["disk", "burn", "data"],
        ["api"],
    ]) func commandLinesThatMakeNoSenseAreRefused(arguments: [String]) throws {
        do {
            _ = try SealDisk.parseAsRoot(arguments)
            Issue.record("\(arguments) was understood")
        } catch {
            #expect(SealDisk.exitCode(for: error) == .validationFailure)
        }
    }

    @Test func apiWordsBecomeOneRequest() throws {
        #expect(try APICommand.text(of: ["DescribeDisks"]) == "DescribeDisks")
        let text = try APICommand.text(of: ["CreateDisk", "DiskName=a", "Description=x y=z"])
        #expect(
            text == #"{"Action":"CreateDisk","DiskName":"a","Description":"x y=z"}"#)
        #expect(throws: Failure.self) { try APICommand.text(of: ["CreateDisk", "DiskName"]) }
    }

    @Test func repliesAreRead() throws {
        let good = try Answer("{\"RequestId\":\"R\",\"DiskId\":\"d-1\"}\n")
        #expect(good.refusal == nil)
        #expect(good.fields.text("DiskId") == "d-1")
        #expect(good.text == "{\"RequestId\":\"R\",\"DiskId\":\"d-1\"}")
        let bad = try Answer(
            #"{"RequestId":"R","Code":"IncorrectDiskStatus.Open","Message":"m","Recommend":"r"}"#)
        #expect(bad.refusal?.kind == .busy)
        #expect(throws: Failure.self) { try Answer("") }
        #expect(throws: Failure.self) { try Answer("[]") }
    }

    @Test func disksAndSnapshotsAreListed() throws {
        let disks = try JSON(
            parsing: #"""
                [{"Name":"data","SizeBytes":21474836480,"StoredBytes":4096,"Encrypted":true,
                "Status":"In_use","SnapshotCount":2,"CreationTime":"2026-11-23T22:00:00Z",
                "DiskId":"d-1"}]
                """#.utf8)
        let text = DiskTable(try #require(disks.array), among: []).whole.text(width: nil)
        #expect(
            text == """
                NAME    SIZE  STORED  KIND       STATUS  SNAPSHOTS  CREATED               ID
                data  20 GiB   4 KiB  encrypted  In_use          2  2026-11-23T22:00:00Z  d-1

                """)
    }
}
