import CryptoPrimitives
import Glibc
import Testing

/// Where in this process's memory a key lies.
@Suite struct KeyResidueTests {
    /// A key that is used for moments is nowhere but in locked memory between its uses; with kept
    /// contexts, OpenSSL's memory has it too, which shows that the search would find it.
    @Test func aKeyWithoutKeptContextsLeavesNoCopy() throws {
        #expect(try copiesAfterUse(keepsContexts: false) == 2)
        #expect(try copiesAfterUse(keepsContexts: true) > 2)
    }

    /// How often a fresh random key lies in memory after it was used: its owner's copy, the key
    /// object's, and whatever is left behind.
    private func copiesAfterUse(keepsContexts: Bool) throws -> Int {
        let secret = try SecretBytes.random(count: AESGCMKey.keyLength, from: SystemEntropy())
        // What is searched for is kept inverted, so that it is not found itself.
        let inverted = secret.withUnsafeBytes { $0.map { ~$0 } }
        let key = try AESGCMKey(secret, keepsContexts: keepsContexts)
        var ciphertext = [UInt8](repeating: 0, count: 64)
        var tag = [UInt8](repeating: 0, count: AESGCMKey.tagLength)
        let plaintext = ciphertext
        try key.withContext { context in
            try ciphertext.withUnsafeMutableBytes { ciphertext in
                try tag.withUnsafeMutableBytes { tag in
                    try plaintext.withUnsafeBytes { plaintext in
                        try context.seal(
                            nonce: Nonce(bytes: [UInt8](repeating: 1, count: Nonce.length)),
                            associatedData: UnsafeRawBufferPointer(start: nil, count: 0),
                            plaintext: plaintext, ciphertext: ciphertext, tag: tag)
                    }
                }
            }
        }
        // Other tests map and unmap memory meanwhile; a search may miss some, never find too many.
        let found = (0..<3).map { _ in Self.occurrences(ofInverted: inverted) }.max() ?? 0
        return withExtendedLifetime(key) { found }
    }

    /// In all private memory that can be written, by way of /proc/self/mem: what another thread
    /// unmaps meanwhile is an error there, not a fault.
    private static func occurrences(ofInverted needle: [UInt8]) -> Int {
        let memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)
        defer { close(memory) }
        // Shared, so that it is a mapping of its own, and not searched.
        let length = 1 << 20
        let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        defer { munmap(start, length) }
        let window = UnsafeMutableRawBufferPointer(start: start, count: length)
        var count = 0
        for region in writableRegions() {
            var start = region.lowerBound
            while start < region.upperBound {
                let length = min(window.count, Int(region.upperBound - start))
                let read = pread(memory, window.baseAddress, length, off_t(start))
                // Behind a page that cannot be read it goes on.
                start += UInt(max(read, 4096))
                guard read >= needle.count else { continue }
                // Keys lie at multiples of 8: SecretBytes' slots, and OpenSSL's structures.
                for offset in stride(from: 0, through: read - needle.count, by: 8)
                where window[offset] == ~needle[0] && window[offset + 1] == ~needle[1] {
                    let isHere = needle.indices.allSatisfy { window[offset + $0] == ~needle[$0] }
                    count += isHere ? 1 : 0
                }
            }
        }
        return count
    }

    private static func writableRegions() -> [Range<UInt>] {
        guard let file = fopen("/proc/self/maps", "re") else { return [] }
        defer { fclose(file) }
        var regions: [Range<UInt>] = []
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            let text = String(decoding: bytes, as: UTF8.self)
            let words = text.split(separator: " ")
            let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            if words[1].hasPrefix("rw"), words[1].hasSuffix("p"), ends.count == 2, ends[0] < ends[1]
            {
                regions.append(ends[0]..<ends[1])
            }
        }
        return regions
    }
}
