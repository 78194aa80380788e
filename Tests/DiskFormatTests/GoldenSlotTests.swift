import CryptoPrimitives
import Testing

@testable import DiskFormat

/// Keys, slots and headers, byte for byte: whoever has to change one of these values has changed
/// the format.
@Suite struct GoldenSlotTests {
    static let data = SlotDescriptor.data(0x1_2345_6789, durableSlots: 0x345)
    static let discard = SlotDescriptor.discard(0xab_cdef..<1 << 36, durableSlots: 5)

    @Test(arguments: [
        (Suite.aes256GCM, "5b7f4643256bc717ed12e73d97c3755286d2825a8b5290f78203d7f1a8d34bcf"),
        (.plain, "ab04c1ee8067ef3b212ee44219acbc1c9c4c677083806b9738a7f978078fa868"),
    ])
    func keyCheck(suite: Suite, expected: String) throws {
        #expect(try Example.keys(suite).keyCheck == hex(expected))
    }

    @Test(arguments: [
        (data, "01004503008967452301010000000000"),
        (.mapPage(level: 3, index: 0, durableSlots: 1), "02030100000000000000010000000000"),
        (discard, "0300050000efcdab0000113254ff0f00"),
        (.checkpoint(durableSlots: 1 << 20), "04000000100000000000010000000000"),
        (.void, "05000000000000000000000000000000"),
    ])
    func descriptor(_ descriptor: SlotDescriptor, expected: String) {
        var bytes = [UInt8](repeating: 0xEE, count: SlotDescriptor.size)
        bytes.withUnsafeMutableBytes { descriptor.write(to: $0.baseAddress!) }  // 16 bytes
        #expect(bytes == hex(expected))
        #expect(bytes.withUnsafeBytes { SlotDescriptor(bytes: $0.baseAddress!) } == descriptor)
    }

    @Test(arguments: [
        (
            Suite.aes256GCM, "978140cd8a2073279ed47bef0d46594a39bfde9b5bab20d58bdded87bd5888b3",
            "3f101b2d2dccfab7a66f4cb3961bac583f6f0a3e092e20a04f6dc75ee8642b32"
        ),
        (
            .plain, "01004503008967452301010000000000f86393565232f74da948ca3ee9eabab1",
            "d24ac44c83cce842b67a82d2f77bcbe5e41dbd555605c92832d609e29c5a997c"
        ),
    ])
    func dataSlot(suite: Suite, entry: String, hashOfBody: String) throws {
        let slot = try SlotBytes.sealed(Self.data, at: 42, with: Example.cipher(suite))
        #expect(slot.entry == hex(entry))
        #expect(try SHA256.hash(slot.body) == hex(hashOfBody))
    }

    @Test(arguments: [
        (Suite.aes256GCM, "7ee0980e419b15d7ddb99d951093372cf92985539c18b3c99a8aac711da2661a"),
        (.plain, "0300050000efcdab0000113254ff0f0012ccb8c8db1f6885cf89d75932934003"),
    ])
    func discardSlot(suite: Suite, entry: String) throws {
        let slot = try SlotBytes.sealed(Self.discard, at: 43, with: Example.cipher(suite))
        #expect(slot.entry == hex(entry))
    }

    @Test(arguments: [
        (Suite.aes256GCM, "5b217d4640b3c2fa3f5f1ba2f4ee88541a61f3d03006bb3e4aaf4b15c98456ba"),
        (.plain, "05000000000000000000000000000000bdfcaa63cf903e9fb46eb1120fb0d4ef"),
    ])
    func voidSlot(suite: Suite, entry: String) throws {
        let slot = try SlotBytes.sealed(.void, at: 44, with: Example.cipher(suite))
        #expect(slot.entry == hex(entry))
    }

    @Test(arguments: [
        (
            Suite.aes256GCM, "0100",
            "ea7d48e8978cc1fbb5dc89b69b61fab6265002c1c7d71d4f150788ae6f895f24"
        ),
        (
            .plain, "0000",
            "ab3734426fc7f0b5f53fd57fb4e46d3de9da5ad87cc0278cc9aea57cec714fb7"
        ),
    ])
    func header(suite: Suite, suiteField: String, tag: String) throws {
        let fields =
            "5345414c4449534b 0200 \(suiteField) 00100000 00200000"
            + "000102030405060708090a0b0c0d0e0f 0700000005000000 0900000000000000"
            + "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
            + "0600000005000000 00200000 0600000005000000 401f0000"
        let expected =
            hex(fields) + [UInt8](repeating: 0, count: 372) + hex(tag)
            + [UInt8](repeating: 0, count: 4096 - 512)
        #expect(try HeaderTests.header(suite).sealed(with: Example.keys(suite)).bytes == expected)
    }

    @Test func checkpointRecord() {
        let fields =
            "534443484b505431 0400000000000000 0000100000000000 2900700000005000"
            + "c800000000000000 0700000005000000 28000000"
        let expected = hex(fields) + Array("d-00000000000000000abc".utf8)
        let bytes = CheckpointRecordTests.record.encoded()
        #expect(bytes.starts(with: expected))
        #expect(bytes.count == 4096)
        #expect(bytes[expected.count...].allSatisfy { $0 == 0 })
    }
}
