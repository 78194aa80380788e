import CryptoPrimitives
import Testing

@testable import DiskFormat

/// Keys, slots and headers, byte for byte: whoever has to change one of these values has changed
/// the format.
@Suite struct GoldenSlotTests {
    static let data = SlotDescriptor.data(0x1_2345_6789, durableSlots: 0x345)
    static let discard = SlotDescriptor.discard(0xab_cdef..<1 << 36, durableSlots: 5)

    @Test(arguments: [
        (Suite.aes256GCM, "c36519d0e03b58bc55236fedf3b5fd70fb71eceeabc340db05331fcb3c1584ef"),
        (.plain, "1e15a45e10e304f2d78be9ea797fd67d86a431eed512d41b945b92537b89cc72"),
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
            Suite.aes256GCM, "dcae05b6053d17b856a7e6468cf90a99bae8d77db1eb5e9227351fb1306f9d87",
            "3cd8f49394db8c3a26b2649a2b2a71885f331c7fcfb7e9f4b1823d6c163f190c"
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
        (Suite.aes256GCM, "e4d3b8361e1cda3e3b0c112acac4d74ef621b6a894b7ab2b264da065742a727f"),
        (.plain, "0300050000efcdab0000113254ff0f0012ccb8c8db1f6885cf89d75932934003"),
    ])
    func discardSlot(suite: Suite, entry: String) throws {
        let slot = try SlotBytes.sealed(Self.discard, at: 43, with: Example.cipher(suite))
        #expect(slot.entry == hex(entry))
    }

    @Test(arguments: [
        (Suite.aes256GCM, "5cf51997a5ce3053ddf8824facd63d7ecb31416be58b17632f7b8d57c3f1b310"),
        (.plain, "05000000000000000000000000000000bdfcaa63cf903e9fb46eb1120fb0d4ef"),
    ])
    func voidSlot(suite: Suite, entry: String) throws {
        let slot = try SlotBytes.sealed(.void, at: 44, with: Example.cipher(suite))
        #expect(slot.entry == hex(entry))
    }

    @Test(arguments: [
        (
            Suite.aes256GCM, "0100",
            "149f4898464ff22b9fa4fc79c0224f1273271517369a37e6f52c9129e2293b65"
        ),
        (
            .plain, "0000",
            "b0dfc1fd2efc0c3ce74fb9a35b7c64ab6845fa59f62b1274680c2216dc0cc967"
        ),
    ])
    func header(suite: Suite, suiteField: String, tag: String) throws {
        let fields =
            "5345414c4449534b 0100 \(suiteField) 00100000 00200000"
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
