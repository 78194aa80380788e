import Testing

@testable import DiskFormat

/// Manifests: their exact bytes, and that nothing but those bytes opens.
@Suite struct ManifestTests {
    @Test func lineageBytes() throws {
        let sealed = try Example.lineageManifest().sealed(version: 7, with: Example.keys())
        #expect(
            String(decoding: sealed.bytes, as: UTF8.self)
                == "sealdisk-manifest 1 lineage \(Example.lineageText) \(Example.lineageText) 7\n"
                + Example.lineagePayload + "\nhmac-sha-256 "
                + "26349ba70bb9b12c587606d7d0b8d7a687a7037b090efbd35103c2a2f3baca12\n")
    }

    @Test func diskBytes() throws {
        let sealed = try Example.diskManifest.sealed(version: 12, with: Example.keys())
        #expect(
            String(decoding: sealed.bytes, as: UTF8.self)
                == "sealdisk-manifest 1 disk \(Example.disk) \(Example.lineageText) 12\n"
                + Example.diskPayload + "\nhmac-sha-256 "
                + "cc58cb14213e16ebb17c13fb36d69eea1084a9571405dd5333075354d657b643\n")
    }

    @Test func snapshotBytes() throws {
        let sealed = try Example.snapshotManifest.sealed(with: Example.keys())
        #expect(
            String(decoding: sealed.bytes, as: UTF8.self)
                == "sealdisk-manifest 1 snapshot \(Example.snapshot) \(Example.lineageText) 1\n"
                + Example.snapshotPayload + "\nhmac-sha-256 "
                + "6951b31dbd8727c265f2ac761e764d350362b649e16f89ca84e27015770369f8\n")
    }

    @Test(arguments: Example.suites) func roundTrip(suite: Suite) throws {
        let keys = try Example.keys(suite)
        let lineage = try Example.lineageManifest(suite)
        let stored = UnopenedManifest(bytes: try lineage.sealed(version: 7, with: keys).bytes)
        #expect(try stored.lineage(with: keys) == (lineage, 7))
        #expect(try stored.unverifiedKeyEnvelope(of: Example.lineage) == lineage.key)

        var disk = Example.diskManifest
        disk.attributes = ["Description": "\"\\/\n\r\t\u{0}\u{7f}é😀", "": ""]
        disk.rollingBackTo = Example.state
        disk.checkpoints.append(disk.checkpoints[0])
        let storedDisk = UnopenedManifest(bytes: try disk.sealed(version: 1, with: keys).bytes)
        #expect(try storedDisk.disk(Example.disk, with: keys) == (disk, 1))
        #expect(try storedDisk.unverifiedDisk(Example.disk) == disk)

        let snapshot = Example.snapshotManifest
        let storedSnapshot = UnopenedManifest(bytes: try snapshot.sealed(with: keys).bytes)
        #expect(try storedSnapshot.snapshot(Example.snapshot, with: keys) == (snapshot, 1))
        #expect(try storedSnapshot.unverifiedSnapshot(Example.snapshot) == snapshot)
    }

    @Test(arguments: Example.suites) func everyChangedByteIsRefused(suite: Suite) throws {
        let keys = try Example.keys(suite)
        let bytes = try Example.diskManifest.sealed(version: 12, with: keys).bytes
        for offset in bytes.indices {
            let changed = UnopenedManifest(bytes: bytes.flipping(bit: offset * 8 + offset % 8))
            #expect(throws: FormatError.self, "byte \(offset)") {
                _ = try changed.disk(Example.disk, with: keys)
            }
            // Shown unverified it may be wrong; it must not be a trap.
            _ = try? changed.unverifiedDisk(Example.disk)
            let cut = UnopenedManifest(bytes: Array(bytes[..<offset]))
            #expect(throws: FormatError.self, "cut at \(offset)") {
                _ = try cut.disk(Example.disk, with: keys)
            }
            #expect(throws: FormatError.self) { _ = try cut.unverifiedDisk(Example.disk) }
        }
        #expect(throws: FormatError.self) {
            _ = try UnopenedManifest(bytes: bytes + [10]).disk(Example.disk, with: keys)
        }
    }

    /// One spelling of a MAC: upper-case digits are other bytes, and refused.
    @Test func theMACHasOneSpelling() throws {
        let keys = try Example.keys()
        let text = String(
            decoding: try Example.diskManifest.sealed(version: 1, with: keys).bytes, as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let mac = lines[2].split(separator: " ")[1].uppercased()
        let other = "\(lines[0])\n\(lines[1])\nhmac-sha-256 \(mac)\n"
        #expect(other.count == text.count && other != text)
        #expect(throws: FormatError.self) {
            _ = try UnopenedManifest(bytes: Array(other.utf8)).disk(Example.disk, with: keys)
        }
    }

    @Test(arguments: Example.suites) func refusedElsewhere(suite: Suite) throws {
        let keys = try Example.keys(suite)
        let disk = UnopenedManifest(
            bytes: try Example.diskManifest.sealed(version: 1, with: keys).bytes)
        func refused(_ body: () throws -> Void) -> Bool {
            HeaderTests.code(body) == .notAuthentic
        }
        let otherDisk = DiskID(random: [UInt8](repeating: 1, count: 20))
        #expect(refused { _ = try disk.disk(otherDisk, with: keys) })
        #expect(refused { _ = try disk.unverifiedDisk(otherDisk) })
        #expect(refused { _ = try disk.snapshot(Example.snapshot, with: keys) })
        #expect(refused { _ = try disk.lineage(with: keys) })
        #expect(refused { _ = try disk.unverifiedKeyEnvelope(of: Example.lineage) })
        let lineage = LineageID(bytes: Example.lineage.bytes.flipping(bit: 3))
        let others = [
            try Example.keys(suite, lineage: lineage),
            try Example.keys(suite == .plain ? .aes256GCM : .plain),
        ]
        for other in others {
            #expect(refused { _ = try disk.disk(Example.disk, with: other) })
        }
        let manifest = UnopenedManifest(
            bytes: try Example.lineageManifest(suite).sealed(version: 1, with: keys).bytes)
        #expect(refused { _ = try manifest.unverifiedKeyEnvelope(of: lineage) })
    }
}
