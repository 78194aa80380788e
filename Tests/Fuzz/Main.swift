import Glibc

// What libFuzzer calls. SEALDISK_FUZZ_TARGET names the parser; with SEALDISK_FUZZ_SEEDS=FOLDER the
// seeds of all are written there instead, and with SEALDISK_FUZZ_LIST=1 their names to the output.

private let target: FuzzTarget = {
    let name = environment("SEALDISK_FUZZ_TARGET") ?? ""
    guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
        print("SEALDISK_FUZZ_TARGET is one of: \(FuzzTarget.all.map(\.name))")
        exit(2)
    }
    return target
}()

private func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> Int32 {
    if environment("SEALDISK_FUZZ_LIST") != nil {
        for target in FuzzTarget.all { print(target.name) }
        exit(0)
    }
    if let folder = environment("SEALDISK_FUZZ_SEEDS") { exit(writeSeeds(into: folder)) }
    MemoryMeter.install()
    return 0
}

/// The package manager takes this for the beginning; libFuzzer's own `main` does the same.
@_cdecl("Fuzz_main")
public func main(
    _ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> Int32 {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments, testOneInput)
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    let target = target
    MemoryMeter.begin()
    defer { MemoryMeter.end() }
    do { try target.run(input) } catch {}
    return 0
}

/// FOLDER/TARGET/seed-N for each.
private func writeSeeds(into folder: String) -> Int32 {
    for target in FuzzTarget.all {
        guard let seeds = try? target.seeds() else {
            print("\(target.name): a seed cannot be made")
            return 1
        }
        mkdir("\(folder)/\(target.name)", 0o755)
        for (index, seed) in seeds.enumerated() {
            let path = "\(folder)/\(target.name)/seed-\(index + 1)"
            guard let file = fopen(path, "we") else { return 1 }
            defer { fclose(file) }
            guard fwrite(seed, 1, seed.count, file) == seed.count else { return 1 }
        }
    }
    return 0
}
