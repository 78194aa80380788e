import ControlPlane
import Glibc
import Testing

@testable import sealdisk

/// The program as it is run: exit codes, and what goes to which stream.
@Suite struct BinaryTests {
    /// Beside the tests in the build's folder.
    private static let program: String = {
        let tests = AbsolutePath.resolve("/proc/self/exe") ?? ""
        return tests.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/sealdisk"
    }()

    /// Runs the program by the shell and gives its exit code and standard output; `streams` says
    /// where the rest goes. Leaves no anchor on the host.
    private func run(
        _ arguments: String, _ streams: String = "2>/dev/null", by wrapper: String = ""
    ) throws -> (code: Int32, output: String) {
        let command =
            "SEALDISK_ANCHOR=none \(wrapper) '\(Self.program)' \(arguments) \(streams)"
        let stream = try #require(popen(command, "r"))
        let output = HostText.bytes(of: fileno(stream)) ?? []
        let status = pclose(stream)
        // WIFEXITED and WEXITSTATUS, which are macros.
        try #require(status & 0x7f == 0)
        return (status >> 8 & 0xff, String(decoding: output, as: UTF8.self))
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }

    @Test func helpAndVersionSucceed() throws {
        #expect(try run("--version") == (0, SealDisk.version + "\n"))
        let help = try run("disk attach --help")
        #expect(help.code == 0)
        #expect(help.output.contains("--mkfs ext4"))
    }

    @Test func errorsGoToStandardError() throws {
        #expect(try run("disk burn") == (64, ""))
        let burn = try run("disk burn", "2>&1")
        #expect(burn.output.hasPrefix("sealdisk: "))
        let missing = try run("disk list --store /nonexistent", "2>&1")
        #expect(missing.code == 3)
        #expect(missing.output.hasPrefix("sealdisk: The store /nonexistent cannot be reached"))
    }

    @Test func misspeltCommandsAreCorrected() throws {
        #expect(try run("disk lsit", "2>&1").output.contains("Did you mean 'sealdisk disk list'?"))
        #expect(try run("disks", "2>&1").output.contains("Did you mean 'sealdisk disk'?"))
        #expect(!(try run("disk burn", "2>&1").output.contains("Did you mean")))
        #expect(try run("disk list --help").output.contains("SEALDISK_STORE"))
    }

    @Test func aPlaceThatIsNoneForAStoreIsSaid() throws {
        let device = try run("init /dev/null", "2>&1")
        #expect(device.code == 2 && device.output.contains("is not a folder"))
        let nowhere = try run("init /nosuch/a/b", "2>&1")
        #expect(nowhere.code == 3 && nowhere.output.contains("mkdir -p /nosuch/a"))
        let folder = try TemporaryFolder()
        #expect(try run("init \(folder.path)").code == 0)
        let again = try run("init \(folder.path)", "2>&1")
        #expect(again.code == 4 && again.output.contains("is used as it is: sealdisk mount"))
    }

    @Test func aKeystoreOpenToOthersIsNotBlamedOnItsFolder() throws {
        let folder = try TemporaryFolder()
        let keys = "--keystore \(folder.path)/keystore.json"
        #expect(try run("kms activate --key-file \(folder.path)/key \(keys)").code == 0)
        #expect(chmod(folder.path + "/keystore.json", 0o666) == 0)
        let open = try run("kms show \(keys)", "2>&1")
        #expect(open.output.contains("chmod 600") && open.output.contains("restore a damaged one"))
    }

    @Test func theKeyUseLogIsShownAndVerified() throws {
        let folder = try TemporaryFolder()
        let keys = "--keystore \(folder.path)/keystore.json"
        #expect(try run("kms activate --key-file \(folder.path)/key \(keys)").code == 0)
        for _ in 0..<4 { #expect(try run("kms show \(keys)").code == 6) }
        let lines = try run("kms log -n 2 --json \(keys)").output.split(separator: "\n")
        #expect(lines.count == 2 && lines.allSatisfy { $0.hasPrefix("{\"account\":\"local\"") })
        let table = try run("kms log --since 2026-01-01 --action DescribeKey \(keys)").output
        #expect(table.hasPrefix("TIME") && table.split(separator: "\n").count == 5)
        #expect(try run("kms log --since 9999-01-01 \(keys)") == (0, ""))
        #expect(try run("kms log --action AttachDisk --json \(keys)") == (0, ""))
        let whole = try run("kms log --verify \(keys)")
        #expect(whole.code == 0 && whole.output.contains("Chained: 1 to 4. Hash of the last: "))
        let log = "\(folder.path)/key-use.log"
        #expect(system("sed -i 2d '\(log)' && chmod 600 '\(log)'") == 0)
        let damaged = try run("kms log --verify \(keys)")
        #expect(damaged.code == 8 && damaged.output.contains("\(log), line 2: has number 3"))
        let json = try JSON(parsing: run("kms log --verify --json \(keys)").output.utf8)
        #expect(json.count("FindingCount") == 1)
        #expect(json["Findings"]?.array?.first?.count("Line") == 2)
        #expect(try run("kms log --verify -n 3 \(keys)").code == 64)
        #expect(try run("kms log --since yesterday \(keys)").code == 64)
        #expect(try run("kms log \(folder.path)/nothing \(keys)").code == 8)
    }

    @Test func theQuotaIsSetAndShown() throws {
        let folder = try TemporaryFolder()
        let keys = "--keystore \(folder.path)/keystore.json"
        #expect(try run("kms quota \(keys)") == (0, "There is no quota.\n"))
        #expect(try run("kms quota 25 \(keys)") == (0, "25 uses a day (UTC).\n"))
        #expect(try run("kms quota --json \(keys)") == (0, "{\"Quota\":25}\n"))
        #expect(try run("kms show \(keys)").code == 6)
        let usage = try run("kms usage --days 2 \(keys)")
        #expect(usage.code == 0)
        #expect(usage.output.hasSuffix("Today: 0 of 25 metered uses; 25 are left.\n"))
        let json = try JSON(parsing: run("kms usage --days 2 --json \(keys)").output.utf8)
        #expect(json["Days"]?.array?.count == 2 && json.count("Left") == 25)
        #expect(json["Days"]?.array?.last?["Uses"]?.count("DescribeKey") == 1)
        #expect(try run("kms quota none \(keys)") == (0, "There is no quota.\n"))
        #expect(try run("kms quota many \(keys)").code == 64)
        #expect(try run("kms usage --days 0 \(keys)").code == 64)
    }

    @Test func unlockersAreAddedAndRemoved() throws {
        let folder = try TemporaryFolder()
        let keystore = "--keystore \(folder.path)/keystore.json"
        let keys = "--key-file \(folder.path)/key \(keystore)"
        #expect(try run("kms activate \(keys)").code == 0)
        #expect(try run("kms unlocker remove 1 \(keys)").code == 2)
        let new = "--new-passphrase-command 'echo correct horse'"
        #expect(try run("kms unlocker add \(new) \(keys)").code == 0)
        let made = try run("kms recovery-key \(keys)")
        #expect(made.code == 0 && made.output.split(separator: "-").count == 14)
        try write(made.output, to: "\(folder.path)/recovery")
        #expect(chmod("\(folder.path)/recovery", 0o600) == 0)
        let list = try run("kms unlocker list \(keystore)")
        #expect(list.output.hasPrefix("ID  KIND") && list.output.contains(" 3  recovery-key"))
        let recovery = "--recovery-key-file \(folder.path)/recovery \(keystore)"
        #expect(try run("kms unlocker remove 3 \(recovery)").code == 2)
        #expect(try run("kms unlocker remove 1 \(recovery)").code == 0)
        #expect(try run("kms activate \(keys)").code == 6)
        let changed = "--new-passphrase-command 'echo battery staple'"
        #expect(try run("kms passphrase \(changed) \(recovery)").code == 0)
        let old = "--passphrase-command 'echo correct horse' \(keystore)"
        #expect(try run("kms activate \(old)").code == 6)
        let now = "--passphrase-command 'echo battery staple' \(keystore)"
        #expect(try run("kms activate \(now)").code == 0)
        let json = try JSON(parsing: run("kms unlocker list --json \(keystore)").output.utf8)
        #expect(
            json["Unlockers"]?.array?.map { $0.text("Kind") } == [
                "recovery-key", "passphrase-command",
            ])
    }

    @Test func outputThatIsLostIsAFailure() throws {
        let folder = try TemporaryFolder()
        let store = folder.path + "/store"
        #expect(try run("init \(store)").code == 0)
        #expect(try run("disk create data --size 1G --store \(store)").code == 0)
        let full = try run("disk list --store \(store)", "2>&1 >/dev/full")
        #expect(full.code == 8)
        #expect(full.output.contains("could not be written: No space left"))
        // Also where each line goes out by itself, as on a terminal.
        let lines = try run("disk list --store \(store)", "2>&1 >/dev/full", by: "stdbuf -oL")
        #expect(lines.code == 8 && lines.output.contains("could not be written"), "\(lines)")
    }

    @Test(arguments: [2, 3]) func aStoreOfAnotherVersionIsSaidToBeOne(version: Int) throws {
        let folder = try TemporaryFolder()
        let store = folder.path + "/store"
        #expect(try run("init \(store)").code == 0)
        let file = store + "/store.json"
        let text = try #require(HostText.read(file))
        try write(
            text.replacing("\"version\":1", with: "\"version\":\(version)"), to: file)
        let list = try run("disk list --store \(store)", "2>&1")
        #expect(list.code == 2)
        #expect(list.output.contains("version \(version), and this program reads version 1"))
        #expect(list.output.contains("Use the sealdisk that wrote the store"))

        // What is no description at all is damage, against which no snapshot helps.
        try write("{}", to: file)
        let damaged = try run("disk list --store \(store)", "2>&1")
        #expect(damaged.code == 8 && damaged.output.contains("from a copy of the store"))
        #expect(!damaged.output.contains("snapshot"))
    }

    @Test func misspeltOptionsAreCorrected() throws {
        let misspelt = try run("disk create data --siz 1", "2>&1")
        #expect(misspelt.code == 64)
        #expect(misspelt.output.contains("--size"), "\(misspelt.output)")
        #expect(misspelt.output.contains("mean"), "\(misspelt.output)")
        let missing = try run("disk create data", "2>&1")
        #expect(missing.code == 64)
        #expect(missing.output.contains("Say --size"), "\(missing.output)")
        #expect(try run("disk list --help").output.contains("Only those that are encrypted"))
    }

    /// Whoever reads "activated" may back up the secret that was named: it must be the right one.
    @Test func activatingTwiceNeverClaimsASecret() throws {
        let folder = try TemporaryFolder()
        let keys = "--keystore \(folder.path)/keystore.json"
        let right = "--key-file \(folder.path)/key"
        #expect(try run("kms activate \(right) \(keys)").output.contains("is activated"))
        for again in ["", right] {
            let outcome = try run("kms activate \(again) \(keys)")
            #expect(outcome.code == 0 && outcome.output.contains("was active already"))
        }
        let missing = folder.path + "/missing.key"
        for wrong in ["--key-file \(missing)", "--passphrase-command 'echo wrong'"] {
            let outcome = try run("kms activate \(wrong) \(keys)", "2>&1")
            #expect(outcome.code == 6 && outcome.output.contains("Nothing was made"))
        }
        #expect(access(missing, F_OK) != 0)
    }

    /// Damage is told, and the list is an outcome all the same.
    @Test func aListTellsDamagedRecords() throws {
        let folder = try TemporaryFolder()
        let store = folder.path + "/store"
        #expect(try run("init \(store)").code == 0)
        for name in ["data", "other"] {
            #expect(try run("disk create \(name) --size 1G --store \(store)").code == 0)
        }
        let list = try run("disk show data --json --store \(store)").output
        let disk = try #require(try JSON(parsing: list.utf8)["Disks"]?["Disk"]?.array?.first)
        let records = try #require(popen("find \(store) -name '\(disk.text("DiskId"))*'", "r"))
        let path = HostText.bytes(of: fileno(records)).map { String(decoding: $0, as: UTF8.self) }
        pclose(records)
        let record = try #require(path?.split(separator: "\n").first.map(String.init))
        #expect(truncate(record, 1) == 0)
        let told = try run("disk list --store \(store)", "2>&1")
        #expect(told.code == 0 && told.output.contains("other"))
        #expect(told.output.contains("sealdisk: disk \(disk.text("DiskId")) is damaged: "))
        #expect(!(try run("disk list --store \(store)").output.contains("damaged")))
    }

    @Test func aSessionByHand() throws {
        let folder = try TemporaryFolder()
        let store = folder.path + "/store"
        let common = "--store \(store) --keystore \(folder.path)/keystore.json"
        #expect(try run("init \(store)").code == 0)
        #expect(try run("init \(store)").code == 4)
        #expect(try run("disk create data --size 1G --encrypted \(common)").code == 6)
        #expect(try run("kms activate --key-file \(folder.path)/key \(common)").code == 0)
        let made = try run("disk create data --size 1G --encrypted \(common)")
        #expect(made.code == 0)
        #expect(made.output.hasPrefix("Created encrypted disk data (d-"))
        #expect(try run("disk list \(common)").output.contains("encrypted  Available"))
        let refused = try run("disk delete nothing --json \(common)")
        #expect(refused.code == 3)
        #expect(refused.output.contains("\"Code\":\"InvalidDiskId.NotFound\""))
        #expect(try run("disk attach data \(common)").code == 9)
        #expect(try run("disk resize data --size 512M \(common)").code == 2)
        #expect(try run("disk resize data --size 1024M \(common)").code == 0)
        #expect(try run("disk detach data \(common)", "2>&1").output.contains("not attached"))
        #expect(try run("disk detach data \(common)").code == 0)
        #expect(try run("api DescribeKey \(common)").output.contains("KeyMetadata"))
        let keys = try run("kms show \(common)").output
        #expect(keys.contains("alias/acs/ecs") && keys.contains("\(folder.path)/keystore.json"))
        #expect(keys.contains("the key file \(folder.path)/key\n") && keys.contains("is there"))
        #expect(try run("snapshot create data --name s \(common)").code == 0)
        #expect(try run("snapshot show s \(common)").output.contains("1 GiB"))
        #expect(try run("disk reinit data \(common)").code == 5)
        #expect(try run("disk rename data photos \(common)").output.contains("photos now"))
        #expect(try run("snapshot rename s t \(common)").output.contains("t now"))
        #expect(try run("snapshot rename t s \(common)").code == 0)
        #expect(try run("disk create other --size 1 \(common)").code == 0)
        #expect(try run("disk rename other photos \(common)").code == 4)
        #expect(try run("disk rename photos data \(common)").code == 0)
        #expect(try run("snapshot delete s \(common)").output == "Deleted snapshot s.\n")
        #expect(try run("disk delete data \(common)").code == 0)
    }
}
