import CryptoPrimitives
import Testing

@Suite struct AESGCMTests {
    private let nonce = Nonce(domain: 7, counter: 0x0102_0304_0506_0708)

    private func makeKey(_ first: UInt8 = 0) throws -> AESGCMKey {
        try AESGCMKey(secret((0..<32).map { first &+ UInt8($0) }))
    }

    @Test func nonceIsDomainThenCounterInLittleEndian() {
        let bytes: [UInt8] = [7, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1]
        #expect(nonce.bytes == bytes)
        #expect(Nonce(bytes: bytes) == nonce)
    }

    @Test(arguments: [0, 11, 13]) func nonceOfAnotherLengthStopsTheProgram(count: Int) async {
        await #expect(processExitsWith: .failure) { [count] in
            _ = Nonce(bytes: Array(repeating: 0, count: count))
        }
    }

    @Test func everyFlippedBitIsRefusedAndLeavesZeros() throws {
        let key = try makeKey()
        let (message, aad): ([UInt8], [UInt8]) = ([1, 2, 3, 4, 5, 6, 7], [9, 8, 7])
        let sealed = try key.seal(message, nonce: nonce, aad: aad)
        let zeros = [UInt8](repeating: 0, count: message.count)

        func expectRefused(_ sealed: Sealed, _ nonce: Nonce, _ aad: [UInt8], _ what: Comment) {
            let opened = key.open(sealed, nonce: nonce, aad: aad)
            #expect(opened.error?.code == .authenticationFailed, what)
            #expect(opened.buffer == zeros, what)
        }
        func flips(_ bytes: [UInt8]) -> [[UInt8]] {
            (0..<bytes.count * 8).map { bit in
                var flipped = bytes
                flipped[bit / 8] ^= 1 << (bit % 8)
                return flipped
            }
        }
        for ciphertext in flips(sealed.ciphertext) {
            expectRefused(Sealed(ciphertext: ciphertext, tag: sealed.tag), nonce, aad, "ciphertext")
        }
        for tag in flips(sealed.tag) {
            expectRefused(Sealed(ciphertext: sealed.ciphertext, tag: tag), nonce, aad, "tag")
        }
        for aad in flips(aad) { expectRefused(sealed, nonce, aad, "associated data") }
        for bytes in flips(nonce.bytes) {
            expectRefused(sealed, Nonce(bytes: bytes), aad, "nonce")
        }
        #expect(key.open(sealed, nonce: nonce, aad: aad).buffer == message)
    }

    @Test func otherKeyIsRefused() throws {
        let sealed = try makeKey(0).seal([1, 2, 3], nonce: nonce)
        #expect(try makeKey(1).open(sealed, nonce: nonce).error?.code == .authenticationFailed)
    }

    @Test func wrongLengthsAreRefused() throws {
        for count in [0, 16, 31, 33, 64] {
            let error = #expect(throws: CryptoError.self) {
                _ = try AESGCMKey(secret(Array(repeating: 1, count: count)))
            }
            #expect(error?.code == .invalidLength)
        }
        let key = try makeKey()
        let sealed = try key.seal([1, 2, 3], nonce: nonce)
        for count in [0, 12, 15, 17] {
            var short = sealed
            short.tag = Array((sealed.tag + [0]).prefix(count))
            let opened = key.open(short, nonce: nonce)
            #expect(opened.error?.code == .invalidLength)
            #expect(opened.buffer == [0, 0, 0])
        }
        for count in [0, 2, 4] {
            let opened = key.open(sealed, nonce: nonce, outputCount: count)
            #expect(opened.error?.code == .invalidLength)
            #expect(opened.buffer.allSatisfy { $0 == 0 })
        }
    }

    @Test(arguments: [0, 1, 15, 16, 17, 4096, 4112])
    func inPartsIsTheSameMessage(count: Int) throws {
        var random = SeededGenerator(state: UInt64(count))
        let key = try makeKey()
        let message = random.bytes(count)
        let whole = try key.seal(message, nonce: nonce)
        for cut in Set([0, 1, 5, 16, count / 2, count]).filter({ $0 <= count }) {
            // Sealed and opened where it lies, in two parts.
            var buffer = message
            var tag = [UInt8](repeating: 0, count: 16)
            try transform(&buffer, cut) { (context, parts) throws in
                try context.beginSeal(nonce: nonce)
                for part in parts {
                    try context.sealPart(UnsafeRawBufferPointer(part), into: part.baseAddress!)
                }
                try context.finishSeal(tag: &tag)
            }
            #expect(Sealed(ciphertext: buffer, tag: tag) == whole)

            var authentic = false
            try transform(&buffer, cut) { (context, parts) throws in
                try context.beginOpen(nonce: nonce)
                for part in parts {
                    try context.openPartUnverified(
                        UnsafeRawBufferPointer(part), into: part.baseAddress!)
                }
                authentic = context.finishOpen(tag: tag)
            }
            #expect(authentic)
            #expect(buffer == message)
        }

        /// Lends a context and the two parts of the buffer, either side of `cut`.
        func transform(
            _ buffer: inout [UInt8], _ cut: Int,
            _ body: (borrowing AESGCMContext, [UnsafeMutableRawBufferPointer]) throws -> Void
        ) throws {
            // A byte more, so that an empty part has an address too.
            buffer.append(0)
            try buffer.withUnsafeMutableBytes { all in
                let parts = [
                    UnsafeMutableRawBufferPointer(rebasing: all[..<cut]),
                    UnsafeMutableRawBufferPointer(rebasing: all[cut..<count]),
                ]
                try key.withContext { context in try body(context, parts) }
            }
            buffer.removeLast()
        }
    }

    @Test func unfinishedMessagesDoNotReachTheNext() throws {
        let key = try makeKey()
        let expected = try key.seal([1, 2, 3], nonce: nonce)
        try key.withContext { context in
            var (bytes, tag) = ([UInt8](repeating: 5, count: 3), [UInt8](repeating: 0, count: 16))
            try context.beginSeal(nonce: Nonce(domain: 1, counter: 1))
            try bytes.withUnsafeBytes { raw in
                var scratch: (UInt8, UInt8, UInt8) = (0, 0, 0)
                try withUnsafeMutableBytes(of: &scratch) {
                    try context.sealPart(raw, into: $0.baseAddress!)
                }
            }
            bytes = [1, 2, 3]
            try context.beginSeal(nonce: nonce)
            try bytes.withUnsafeMutableBytes {
                try context.sealPart(UnsafeRawBufferPointer($0), into: $0.baseAddress!)
            }
            try context.finishSeal(tag: &tag)
            #expect(Sealed(ciphertext: bytes, tag: tag) == expected)
            // An opening that never began is not authentic, whatever the tag.
            let authentic = context.finishOpen(tag: tag)
            #expect(!authentic)
        }
    }

    @Test func contextsServeManyThreadsAndNest() async throws {
        let key = try makeKey()
        let message = [UInt8](repeating: 0x5A, count: 4096)
        let expected = try (0..<64).map {
            try key.seal(message, nonce: Nonce(domain: 0, counter: UInt64($0)))
        }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for round in 0..<512 {
                        let index = round % 64
                        let nonce = Nonce(domain: 0, counter: UInt64(index))
                        guard try key.seal(message, nonce: nonce) == expected[index],
                            key.open(expected[index], nonce: nonce).buffer == message
                        else { return false }
                    }
                    return true
                }
            }
            for try await allEqual in group { #expect(allEqual) }
        }
        let nested = try key.withContext { _ in
            try key.withContext { _ in try key.seal(message, nonce: Nonce(domain: 0, counter: 1)) }
        }
        #expect(nested == expected[1])
    }
}
