import Foundation
import Testing

extension MountSuite {
    /// What a mount refuses or says before it hides something, or before it cannot be used.
    @Suite struct CautionTests {
        @Test func aMountCoversNothingUnasked() throws {
            let rig = try Rig()
            let file = rig.mountPoint + "/precious"
            try Data("x".utf8).write(to: URL(fileURLWithPath: file))
            let refused = try rig.sealdisk("mount", rig.store, rig.mountPoint)
            #expect(refused.status == 5 && refused.errors.contains("precious"), "\(refused)")
            for folder in [rig.store, try rig.makeFolder("store/inner"), rig.folder] {
                let outcome = try rig.sealdisk("mount", rig.store, folder, "-o", "nonempty")
                #expect(outcome.status == 2, "\(outcome)")
                #expect(outcome.errors.contains("would cover the store"), "\(outcome)")
            }
            try FileManager.default.removeItem(atPath: rig.store + "/inner")
            try rig.mount("nonempty")
            try rig.unmount()
            #expect(FileManager.default.fileExists(atPath: file))
        }

        @Test func aMissingKeystoreOrKeyFileIsToldAtOnce() throws {
            let rig = try Rig()
            try FileManager.default.removeItem(atPath: rig.keyFile)
            let noFile = try rig.sealdisk("mount", rig.store, rig.mountPoint)
            #expect(noFile.status == 0 && noFile.errors.contains(rig.keyFile), "\(noFile)")
            try rig.unmount()
            try FileManager.default.removeItem(atPath: rig.keystore)
            let noStore = try rig.sealdisk("mount", rig.store, rig.mountPoint)
            #expect(noStore.status == 0, "\(noStore)")
            #expect(noStore.errors.contains("no keystore \(rig.keystore)"), "\(noStore)")
            try rig.unmount()
        }

        @Test func optionsThatCannotBeMetAreNamed() throws {
            let rig = try Rig()
            try rig.succeed("disk", "create", "pl", "--size", "1M", "--store", rig.store)
            for (options, text) in [
                ("require=encrypted,attach=pl", "leave it out of attach="),
                ("map_memory=1K", "map_memory=1K is too little"),
            ] {
                let outcome = try rig.sealdisk("mount", rig.store, rig.mountPoint, "-o", options)
                #expect(outcome.status == 2 && outcome.errors.contains(text), "\(outcome)")
            }
        }

        @Test func aDeadMountIsToldAndItsLoopDevicesAreNamed() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let loop = try rig.loop("data")
            try rig.killDaemon()
            let list = try rig.sealdisk("disk", "list", "--store", rig.store)
            #expect(list.status == 0 && list.output.contains("data"), "\(list)")
            #expect(list.errors.contains("is dead"), "\(list)")
            let outcome = try rig.sealdisk("unmount", rig.mountPoint)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.errors.contains("losetup -d \(loop)"), "\(outcome)")
            try Command.succeed("losetup", "-d", loop)
        }
    }
}
