import DiskFormat
import KeyManagement
import Testing

@testable import DiskEngine

/// Encrypted disks that are cut off since their CMK was disabled.
@Suite struct FenceTests {
    private let content = pattern(8192, seed: 1)

    private func code(_ body: () throws -> Void) -> DiskError.Code? { diskErrorCode(body) }

    @Test func encryptedDisksEndAndPlainOnesGoOn() throws {
        let harness = try Harness()
        let (secret, plain) = (try harness.disk(), try harness.disk(encrypted: false))
        for disk in [secret, plain] { try disk.put(content, at: 0) }
        let snapshot = try harness.store.createSnapshot(of: secret.id, attributes: [:])
        let reader = try harness.store.openSnapshot(snapshot.id)
        #expect(try reader.bytes().starts(with: content))
        harness.keys.setKeyState(.disabled)

        let fenced = harness.store.fenceEncryptedDisks()
        #expect(fenced.map(\.id) == [secret.id] && fenced.allSatisfy { $0.failure == nil })
        #expect(code { _ = try secret.bytes(0, 4096) } == .sessionOver)
        #expect(code { try secret.put(content, at: 0) } == .sessionOver)
        #expect(code { _ = try reader.bytes() } == .keyRequired)
        #expect(harness.store.attached(secret.id) == nil)
        #expect(try plain.bytes(0, content.count) == content)
        #expect(harness.store.fenceEncryptedDisks().isEmpty)

        // As long as somebody holds the key, and as long as the CMK is disabled.
        #expect(code { _ = try harness.store.attach(secret.id) } == .busy)
        reader.close()
        let refused = #expect(throws: DiskError.self) { try harness.store.attach(secret.id) }
        #expect((refused?.cause as? KeyError)?.code == .disabled)
        harness.keys.setKeyState(.enabled)
        #expect(try harness.store.attach(secret.id).bytes(0, content.count) == content)
        try harness.store.close()
    }

    /// Without a fence attached disks go on; nothing new begins.
    @Test func aDisabledKeyBeginsNothing() throws {
        let harness = try Harness()
        let disk = try harness.disk()
        try disk.put(content, at: 0)
        let snapshot = try harness.store.createSnapshot(of: disk.id, attributes: [:])
        harness.keys.setKeyState(.pendingDeletion(at: Timestamp(seconds: 1_800_000_000)))
        for work in [
            { _ = try harness.store.createSnapshot(of: disk.id, attributes: [:]) },
            { _ = try harness.store.createDisk(from: snapshot.id, size: nil, attributes: [:]) },
            { _ = try harness.store.createDisk(encrypted: true, size: 1 << 20, attributes: [:]) },
        ] as [() throws -> Void] {
            let refused = #expect(throws: DiskError.self) { try work() }
            #expect((refused?.cause as? KeyError)?.code == .disabled)
        }
        try disk.put(content, at: 65_536)
        #expect(try disk.bytes(65_536, content.count) == content)
        try harness.store.detach(disk.id)
        try harness.store.close()
    }
}
