import Glibc

/// One parser under fuzzing: valid examples of what it reads, and what must hold for any bytes.
struct FuzzTarget: Sendable {
    let name: String
    let seeds: @Sendable () throws -> [[UInt8]]
    /// Errors are refusals, and welcome; what must hold is `require`d.
    let run: @Sendable ([UInt8]) throws -> Void

    init(
        _ name: String, seeds: @escaping @Sendable () throws -> [[UInt8]],
        run: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.name = name
        self.seeds = seeds
        self.run = run
    }

    /// All there are, as the script lists and runs them.
    static let all = [
        chunkHeader, slotTable, mapPage, checkpointRecord, storeManifest, lineageManifest,
        diskManifest, snapshotManifest, keystore, wrappedKey, timestamp, request, arguments, json,
        byteSize, sealedHeader, sealedFrame, sealedFile, lockText, mountInfo, freshnessRecord,
    ]
}

/// Stops the run, with the input kept by libFuzzer, unless `condition` holds.
func require(_ condition: Bool, _ what: @autoclosure () -> String) {
    // To stop is what a fuzzer is for.
    if !condition { fatalError(what()) }
}

/// That what was parsed, encoded and parsed again is the same. Throwing on the way is a failure.
func requireSame<T: Equatable>(_ value: T, _ again: () throws -> T) {
    do {
        require(try again() == value, "it is another value when it is encoded and read again")
    } catch {
        require(false, "what was read cannot be encoded and read again: \(error)")
    }
}
