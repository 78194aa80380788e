import Foundation
import Testing

extension MountSuite {
    @Suite struct InstanceMountTests {
        private func names(_ path: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        }

        private func inode(_ path: String) throws -> UInt64 {
            try UInt64(OpenedFile(path, O_RDONLY).status().st_ino)
        }

        private func errnoOfOpening(_ path: String) -> Int32 {
            do {
                _ = try OpenedFile(path, O_RDONLY)
                return 0
            } catch {
                return (error as? OpenedFile.Failure)?.errno ?? -1
            }
        }

        private func disk(_ rig: Rig, _ name: String) throws -> [String: Any] {
            let all = try rig.request("DescribeDisks DiskId=\(name)")["Disks"] as? [String: Any]
            return try #require((all?["Disk"] as? [[String: Any]])?.first)
        }

        /// Under its device name at the instance a disk is the file that it is under `disks`.
        @Test func aDeviceIsTheDisksFile() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 8)
            let device = rig.mountPoint + "/instances/local/vdb"
            #expect(try inode(device) == inode(rig.file("data")))
            try OpenedFile(rig.file("data"), O_RDWR).write(Array("by its name".utf8), at: 4090)
            do {
                let file = try OpenedFile(device, O_RDWR)
                #expect(try file.read(at: 4090, count: 11) == Array("by its name".utf8))
                try file.write(Array("by its device".utf8), at: 1 << 20)
                let bytes = try OpenedFile(rig.file("data"), O_RDONLY).read(at: 1 << 20, count: 13)
                #expect(bytes == Array("by its device".utf8))
                // Whoever has the device open has the disk open.
                #expect(try rig.tryRequest("DetachDisk DiskId=data").errno == EBUSY)
                #expect(try file.status().st_size == 8 << 20)
            }
            try rig.unmount()
        }

        @Test func foldersOfInstancesComeAndGo() throws {
            let rig = try Rig()
            try rig.mount()
            let instances = rig.mountPoint + "/instances"
            #expect(try names(instances) == ["local"] && names(instances + "/local") == [])
            try rig.request(
                "CreateInstance InstanceName=web DataDisk.1.Size=1MiB DataDisk.2.Size=1")
            #expect(try names(instances) == ["local", "web"])
            #expect(try names(instances + "/web") == ["vdb", "vdc"])
            try rig.request("ModifyInstanceAttribute InstanceId=web InstanceName=site")
            #expect(try names(instances) == ["local", "site"])
            #expect(errnoOfOpening(instances + "/web/vdb") == ENOENT)
            #expect(errnoOfOpening(instances + "/site/vdb") == 0)
            let all = try rig.request("DescribeDisks InstanceId=site")["Disks"] as? [String: Any]
            let ids = ((all?["Disk"] as? [[String: Any]]) ?? []).compactMap { $0["DiskId"] }
            try rig.request("DetachDisk DiskId=\(try #require(ids.first))")
            #expect(try names(instances + "/site") == ["vdc"])
            try rig.request("DeleteInstance InstanceId=site")
            #expect(try names(instances) == ["local"])
            try rig.unmount()
        }

        /// That a disk is at an instance outlives the mount; that its key is in memory does not.
        @Test func anInstanceKeepsItsDisksOverAMount() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.request("CreateInstance InstanceName=web")
            try rig.request("CreateDisk DiskName=data Size=1MiB Encrypted=true")
            try rig.request("AttachDisk DiskId=data InstanceId=web")
            try OpenedFile(rig.file("data"), O_RDWR).write([1, 2, 3], at: 77)
            try rig.unmount()
            try rig.mount()
            let device = rig.mountPoint + "/instances/web/vdb"
            var found = try disk(rig, "data")
            #expect(found["Status"] as? String == "In_use" && found["Open"] as? Bool == false)
            // Root passes every mode: it is the key that is missing.
            #expect(errnoOfOpening(device) == ENOKEY && errnoOfOpening(rig.file("data")) == ENOKEY)
            #expect(try rig.tryRequest("DeleteDisk DiskId=data").errno == EBUSY)
            try rig.request("AttachDisk DiskId=data")
            found = try disk(rig, "data")
            #expect(found["Status"] as? String == "In_use" && found["Open"] as? Bool == true)
            #expect(try OpenedFile(device, O_RDONLY).read(at: 77, count: 3) == [1, 2, 3])
            try rig.unmount()
        }

        /// When snapshots are taken is for `SnapshotPolicyTests`; here the mount has a policy, goes
        /// on, and ends.
        @Test func aMountRunsWithAPolicy() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 1)
            try rig.succeed("policy", "create", "nightly", "--hours", "2", "--keep", "30")
            try rig.succeed("policy", "apply", "nightly", "data")
            for _ in 0..<2 {
                #expect(try rig.succeed("policy", "list").contains("nightly"))
                let found = try disk(rig, "data")
                #expect((found["AutoSnapshotPolicyId"] as? String)?.hasPrefix("sp-") == true)
                try rig.unmount()
                try rig.mount("attach=data")
                try OpenedFile(rig.file("data"), O_RDWR).write([1], at: 0)
            }
            try rig.succeed("policy", "delete", "nightly")
            #expect(try disk(rig, "data")["AutoSnapshotPolicyId"] as? String == "")
            try rig.unmount()
        }

        /// A `cloud` disk has 300 operations a second, whatever the host could do.
        @Test func aDiskIsHeldToItsCategory() throws {
            let rig = try Rig()
            try rig.mount("qos")
            try rig.request("CreateDisk DiskName=slow Size=5 DiskCategory=cloud")
            try rig.request("AttachDisk DiskId=slow")
            let file = try OpenedFile(rig.file("slow"), O_RDWR)
            let block = [UInt8](repeating: 7, count: 4096)
            let begin = ContinuousClock.now
            // At first a twentieth of a second's worth comes at once.
            for number in 0..<450 {
                // Writes go through, one by one.
                #expect(try file.write(block, at: number % 64 * 4096) == 4096)
            }
            #expect(ContinuousClock.now - begin > .milliseconds(1400))
        }
    }
}
