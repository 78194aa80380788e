import CryptoPrimitives
import Testing

@Suite struct HKDFTests {
    /// RFC 5869 appendix A, test cases 1 to 3 (SHA-256).
    @Test(arguments: [
        (
            "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            """
            3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf
            34007208d5b887185865
            """
        ),
        (
            text(0x00...0x4f), text(0x60...0xaf), text(0xb0...0xff),
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            """
            b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c
            59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71
            cc30c58179ec3e87c14c01d5c1f3434f1d87
            """
        ),
        (
            "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            """
            8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d
            9d201395faa4b61a96c8
            """
        ),
    ])
    func rfc5869(_ ikm: String, _ salt: String, _ info: String, _ prk: String, _ okm: String)
        throws
    {
        let key = try secret(hex(ikm))
        let extracted = try HKDF.extract(key: key, salt: hex(salt))
        #expect(extracted.revealed == hex(prk))
        let count = hex(okm).count
        let expanded = try HKDF.expand(pseudorandomKey: extracted, info: hex(info), count: count)
        #expect(expanded.revealed == hex(okm))
        let derived = try HKDF.deriveSecret(
            key: key, salt: hex(salt), info: hex(info), count: count)
        #expect(derived.revealed == hex(okm))
    }

    @Test func lengthsOutsideTheStandardAreRefused() throws {
        let key = try secret([1])
        for count in [-1, 0, HKDF.maximumCount + 1] {
            let error = #expect(throws: CryptoError.self) {
                _ = try HKDF.deriveSecret(key: key, salt: [], info: [], count: count)
            }
            #expect(error?.code == .invalidLength)
        }
        let longest = try HKDF.deriveSecret(
            key: key, salt: [], info: [], count: HKDF.maximumCount)
        #expect(longest.count == 8160)
    }

    private static func text(_ range: ClosedRange<Int>) -> String {
        range.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

@Suite struct HMACTests {
    /// RFC 4231, test cases 1 to 4, 6 and 7 (5 is about truncation, which is not offered).
    @Test(arguments: [
        (
            String(repeating: "0b", count: 20), Array("Hi There".utf8),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            "4a656665", Array("what do ya want for nothing?".utf8),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            String(repeating: "aa", count: 20), [UInt8](repeating: 0xdd, count: 50),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        (
            "0102030405060708090a0b0c0d0e0f10111213141516171819",
            [UInt8](repeating: 0xcd, count: 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        (
            String(repeating: "aa", count: 131),
            Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
        (
            String(repeating: "aa", count: 131),
            Array(
                ("This is a test using a larger than block-size key and a larger than block-size"
                    + " data. The key needs to be hashed before being used by the HMAC algorithm.")
                    .utf8),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        ),
    ])
    func rfc4231(_ key: String, _ message: [UInt8], _ tag: String) throws {
        let hmac = try HMACKey(secret(hex(key)))
        #expect(try hmac.authenticate(message) == hex(tag))
        #expect(try hmac.verify(hex(tag), for: message))
        let inParts = try message.withUnsafeBytes { all in
            try hmac.authenticate(
                UnsafeRawBufferPointer(rebasing: all[..<3]),
                UnsafeRawBufferPointer(start: nil, count: 0),
                UnsafeRawBufferPointer(rebasing: all[3...]))
        }
        #expect(inParts == hex(tag))
    }

    @Test func everyOtherTagIsRefused() throws {
        let hmac = try HMACKey(secret([1, 2, 3]))
        let tag = try hmac.authenticate([4, 5, 6])
        for bit in 0..<tag.count * 8 {
            var flipped = tag
            flipped[bit / 8] ^= 1 << (bit % 8)
            #expect(try !hmac.verify(flipped, for: [4, 5, 6]))
        }
        #expect(try !hmac.verify(Array(tag.prefix(31)), for: [4, 5, 6]))
        #expect(try !hmac.verify([], for: [4, 5, 6]))
        #expect(try !hmac.verify(tag, for: [4, 5, 7]))
    }
}

@Suite struct SHA256Tests {
    /// FIPS 180-4 example values: "abc", and the empty message.
    @Test(arguments: [
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ])
    func examples(_ message: String, _ hash: String) throws {
        #expect(try SHA256.hash(Array(message.utf8)) == hex(hash))
    }
}

@Suite struct ScryptTests {
    /// RFC 7914 section 12 (the fourth vector, of 1 GiB, is left out).
    @Test(arguments: [
        (
            "", "", UInt64(16), UInt32(1), UInt32(1),
            """
            77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442
            fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906
            """
        ),
        (
            "password", "NaCl", 1024, 8, 16,
            """
            fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162
            2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640
            """
        ),
        (
            "pleaseletmein", "SodiumChloride", 16384, 8, 1,
            """
            7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2
            d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887
            """
        ),
    ])
    func rfc7914(
        _ passphrase: String, _ salt: String, _ n: UInt64, _ r: UInt32, _ p: UInt32, _ key: String
    ) throws {
        let derived = try Scrypt.derive(
            passphrase: secret(Array(passphrase.utf8)), salt: Array(salt.utf8), cost: n,
            blockSize: r, parallelization: p, count: 64)
        #expect(derived.revealed == hex(key))
    }

    @Test(arguments: [
        (UInt64(0), UInt32(8), UInt32(1)), (1, 8, 1), (1000, 8, 1), (16, 0, 1), (16, 8, 0),
        (1 << 40, 8, 1), (16, 1 << 20, 1 << 20),
    ])
    func parametersOutsideTheStandardAreRefused(_ n: UInt64, _ r: UInt32, _ p: UInt32) throws {
        let error = #expect(throws: CryptoError.self) {
            _ = try Scrypt.derive(
                passphrase: secret([1]), salt: [2], cost: n, blockSize: r, parallelization: p,
                count: 32)
        }
        #expect(error?.code == .invalidLength)
    }
}

@Suite struct ConstantTimeTests {
    @Test func comparesContentAndLength() {
        #expect(constantTimeEqual([1, 2, 3], [1, 2, 3]))
        #expect(constantTimeEqual([], []))
        #expect(!constantTimeEqual([1, 2, 3], [1, 2, 4]))
        #expect(!constantTimeEqual([1, 2, 3], [1, 2]))
        #expect(!constantTimeEqual([], [0]))
    }
}
