import ChunkStore
import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// What anybody who can write to the store can put there, key or no key: it must never stop the
/// process. Each runs in a process of its own, since a trap is what is looked for.
@Suite struct ManifestHostileTests {
    /// The catalogue shows manifests that it cannot verify: any number may stand in them.
    @Test func anAbsurdManifestDoesNotTrap() async {
        await #expect(processExitsWith: .success) {
            let rig = try TamperRig(encrypted: true)
            for path in [
                StoreLayout.disk(rig.lineage, rig.disk),
                StoreLayout.snapshot(rig.lineage, rig.snapshot),
            ] {
                let files = try rig.tampered {
                    try $0.mutateFile(rig.name(path)) { bytes in
                        let text = String(decoding: bytes, as: UTF8.self)
                        let parts = text.split(separator: "\"storedBlocks\":")
                        let rest = parts.dropFirst().map { part in
                            "18446744073709551615" + part.drop { $0.isNumber }
                        }
                        bytes = Array(
                            ([String(parts[0])] + rest)
                                .joined(separator: "\"storedBlocks\":").utf8)
                    }
                }
                do {
                    let store = try rig.open(files)
                    _ = try store.disks()
                    _ = try store.snapshots()
                    try store.close()
                } catch let error as DiskError {
                    #expect(error.code == .damaged)
                }
            }
        }
    }

    /// The highest possible chunk number, in the name of an empty file.
    @Test func theHighestChunkNumberDoesNotTrap() async {
        await #expect(processExitsWith: .success) {
            let rig = try TamperRig(encrypted: true)
            let stray = StoreLayout.chunk(rig.lineage, ChunkNumber(lane: 1, sequence: .max))
            try rig.files.replaceObject(rig.name(stray), with: [])
            let store = try rig.open(rig.files)
            do {
                let disk = try store.attach(rig.disk)
                try disk.put([1, 2, 3], at: 0)
                try disk.flush()
            } catch is DiskError {
                // Refused is as good as done.
            }
            try? store.close()
        }
    }
}
