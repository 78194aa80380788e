import CryptoPrimitives
import Testing

struct GCMVector: Sendable, CustomTestStringConvertible {
    let source: String
    let key: String
    let nonce: String
    let aad: String
    let plaintext: String
    let ciphertext: String
    let tag: String

    var testDescription: String { source }
}

private let mcGrewKey = "feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308"
private let zeros32 = String(repeating: "00", count: 32)

/// McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, the cases with 256-bit
/// keys and 96-bit nonces; NIST CAVP, gcmEncryptExtIV256.rsp, Count 0 of three groups.
private let vectors = [
    GCMVector(
        source: "McGrew-Viega 13", key: zeros32, nonce: "000000000000000000000000", aad: "",
        plaintext: "", ciphertext: "", tag: "530f8afbc74536b9a963b4f1c4cb738b"),
    GCMVector(
        source: "McGrew-Viega 14", key: zeros32, nonce: "000000000000000000000000", aad: "",
        plaintext: "00000000000000000000000000000000",
        ciphertext: "cea7403d4d606b6e074ec5d3baf39d18", tag: "d0d1c8a799996bf0265b98b5d48ab919"),
    GCMVector(
        source: "McGrew-Viega 15", key: mcGrewKey, nonce: "cafebabefacedbaddecaf888", aad: "",
        plaintext: """
            d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72
            1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b391aafd255
            """,
        ciphertext: """
            522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa
            8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662898015ad
            """,
        tag: "b094dac5d93471bdec1a502270e3cc6c"),
    GCMVector(
        source: "McGrew-Viega 16", key: mcGrewKey, nonce: "cafebabefacedbaddecaf888",
        aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plaintext: """
            d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72
            1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b39
            """,
        ciphertext: """
            522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa
            8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662
            """,
        tag: "76fc6ece0f4e1768cddf8853bb2d551b"),
    GCMVector(
        source: "CAVP PTlen 0, AADlen 0",
        key: "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4",
        nonce: "516c33929df5a3284ff463d7", aad: "", plaintext: "", ciphertext: "",
        tag: "bdc1ac884d332457a1d2664f168c76f0"),
    GCMVector(
        source: "CAVP PTlen 128, AADlen 0",
        key: "31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22",
        nonce: "0d18e06c7c725ac9e362e1ce", aad: "",
        plaintext: "2db5168e932556f8089a0622981d017d",
        ciphertext: "fa4362189661d163fcd6a56d8bf0405a", tag: "d636ac1bbedd5cc3ee727dc2ab4a9489"),
    GCMVector(
        source: "CAVP PTlen 128, AADlen 128",
        key: "92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b",
        nonce: "ac93a1a6145299bde902f21a", aad: "1e0889016f67601c8ebea4943bc23ad6",
        plaintext: "2d71bcfa914e4ac045b2aa60955fad24",
        ciphertext: "8995ae2e6df3dbf96fac7b7137bae67f", tag: "eca5aa77d51d4a0a14d9c51e1da474ab"),
]

@Suite struct AESGCMVectorTests {
    @Test(arguments: vectors) func vector(_ vector: GCMVector) throws {
        let key = try AESGCMKey(secret(hex(vector.key)))
        let nonce = Nonce(bytes: hex(vector.nonce))
        let expected = Sealed(ciphertext: hex(vector.ciphertext), tag: hex(vector.tag))
        // Twice: the second time the context has sealed and opened before.
        for _ in 0..<2 {
            let sealed = try key.seal(hex(vector.plaintext), nonce: nonce, aad: hex(vector.aad))
            #expect(sealed == expected)
            let opened = key.open(expected, nonce: nonce, aad: hex(vector.aad))
            #expect(opened.error == nil)
            #expect(opened.buffer == hex(vector.plaintext))
        }
    }
}
