import CryptoPrimitives
import Glibc
import Testing

@Suite struct SecretBytesTests {
    @Test func keepsWhatItWasGiven() throws {
        let bytes = [UInt8](0...200)
        try bytes.withUnsafeBytes { raw in
            let secret = try SecretBytes(copying: raw)
            #expect(secret.count == 201)
            #expect(secret.revealed == bytes)
        }
        let empty = try SecretBytes(count: 0) { #expect($0.count == 0) }
        #expect(empty.revealed == [])
    }

    @Test func randomSecretsDiffer() throws {
        let a = try SecretBytes.random(count: 32, from: SystemEntropy())
        let b = try SecretBytes.random(count: 32, from: SystemEntropy())
        #expect(a.revealed != b.revealed)
        #expect(try SystemEntropy().bytes(16) != SystemEntropy().bytes(16))
        #expect(try SystemEntropy().bytes(0).isEmpty)
    }

    @Test func negativeAndHugeCountsAreRefused() {
        for count in [-1, Int.max] {
            let error = #expect(throws: CryptoError.self) {
                _ = try SecretBytes(count: count) { _ in }
            }
            #expect(error?.code == .invalidLength)
        }
    }

    @Test func failingFillPassesItsErrorOn() {
        let error = #expect(throws: CryptoError.self) {
            _ = try SecretBytes(count: 32) { (_) throws(CryptoError) in
                throw CryptoError(.entropy, "no entropy in this test")
            }
        }
        #expect(error?.code == .entropy)
    }

    /// `lo` and `dd` in VmFlags and a locked size: proc(5), /proc/PID/smaps.
    @Test(arguments: [32, 4096, 5000]) func mappingIsLockedAndLeftOutOfCoreDumps(count: Int) throws
    {
        let secret = try SecretBytes(count: count) { _ in }
        let address = secret.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        let mapping = try #require(try smaps(of: address))
        let flags = try #require(mapping.first { $0.hasPrefix("VmFlags:") }).split(separator: " ")
        #expect(flags.contains("lo"))
        #expect(flags.contains("dd"))
        #expect(flags.contains("wf"))
        let locked = try #require(mapping.first { $0.hasPrefix("Locked:") })
        #expect(locked.split(separator: " ")[1] != "0")
        // The owner's end, after the look at its mapping.
        _ = consume secret
    }

    /// The page is unmapped with its owner: nothing is left to read where the secret was.
    @Test func mappingEndsWithItsOwner() async {
        await #expect(processExitsWith: .signal(SIGSEGV)) {
            let secret = try SecretBytes(count: 32) { $0.copyBytes(from: 0..<32) }
            let address = secret.withUnsafeBytes { $0.baseAddress! }
            _ = consume secret
            print(address.load(as: UInt8.self))
        }
    }

    /// 500 keys in 64 KiB of locked memory: a page for each would take 2 MiB.
    @Test func manyKeysFitASmallLimitOfLockedMemory() async {
        await #expect(processExitsWith: .success) {
            guard unprivileged(lockedBytes: 64 << 10) else { exit(2) }
            var keys: [AESGCMKey] = []
            for index in 0..<500 {
                keys.append(try AESGCMKey(SecretBytes(count: 32) { $0[0] = UInt8(index & 255) }))
            }
            exit(keys.count == 500 ? 0 : 3)
        }
    }

    /// Slots are used again, each by one owner, and hold nothing of the owner before.
    @Test func slotsAreWipedAndNotShared() throws {
        func secret(_ value: UInt8) throws -> SecretBytes {
            try SecretBytes(count: 32) { buffer in
                #expect(buffer.allSatisfy { $0 == 0 })
                buffer.initializeMemory(as: UInt8.self, repeating: value)
            }
        }
        let kept = try secret(1)
        for value in 2..<UInt8(255) {
            let first = try secret(value)
            let second = try secret(value &+ 1)
            #expect(first.revealed == [UInt8](repeating: value, count: 32))
            #expect(second.revealed == [UInt8](repeating: value &+ 1, count: 32))
        }
        #expect(kept.revealed == [UInt8](repeating: 1, count: 32))
    }

    /// A child of fork finds zeros; it must not go on with them as a key.
    @Test func useInAForkedChildStopsIt() async {
        await #expect(processExitsWith: .success) {
            let key = try AESGCMKey(SecretBytes(count: 32) { $0.copyBytes(from: 0..<32) })
            // Swift's Glibc hides fork; libfuse's daemonising does not.
            typealias Fork = @convention(c) () -> pid_t
            let address = try #require(dlsym(nil, "fork"))
            let child = unsafeBitCast(address, to: Fork.self)()  // fork(2) has this type
            if child == 0 {
                // The second context is keyed anew, from the secret.
                key.withContext { _ in key.withContext { _ in } }
                _exit(0)
            }
            var status: Int32 = 0
            guard child > 0, waitpid(child, &status, 0) == child else { exit(2) }
            exit(status & 0x7f != 0 ? 0 : 3)
        }
    }

    @Test func limitOfLockedMemoryIsToldWithAdvice() async {
        await #expect(processExitsWith: .success) {
            guard unprivileged(lockedBytes: 0) else { exit(2) }
            do throws(CryptoError) {
                _ = try SecretBytes(count: 32) { _ in }
                exit(4)
            } catch {
                let told = ["ulimit -l", "RLIMIT_MEMLOCK", "0 bytes"]
                let isTold = told.allSatisfy { error.message.contains($0) }
                exit(error.code == .lockedMemory && isTold ? 0 : 5)
            }
        }
    }

    /// The lines of the mapping that holds `address`, without its head.
    private func smaps(of address: UInt) throws -> [String]? {
        let file = try #require(fopen("/proc/self/smaps", "r"))
        defer { fclose(file) }
        var (line, capacity) = (UnsafeMutablePointer<CChar>?.none, 0)
        defer { free(line) }
        var found: [String]?
        while getline(&line, &capacity, file) > 0, let line {
            let text = String(cString: line)
            let bounds = text.prefix { $0 != " " }.split(separator: "-")
            if bounds.count == 2, let start = UInt(bounds[0], radix: 16),
                let end = UInt(bounds[1], radix: 16)
            {
                if found != nil { return found }
                if (start..<end).contains(address) { found = [] }
            } else {
                found?.append(text)
            }
        }
        return found
    }
}

/// Only an unprivileged process is held to the limit of locked memory.
private func unprivileged(lockedBytes: rlim_t) -> Bool {
    if getuid() == 0, setuid(65534) != 0 { return false }
    var limit = rlimit(rlim_cur: lockedBytes, rlim_max: lockedBytes)
    return setrlimit(Int32(__RLIMIT_MEMLOCK.rawValue), &limit) == 0
}
