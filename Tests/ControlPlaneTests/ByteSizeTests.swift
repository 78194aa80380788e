import Testing

@testable import ControlPlane

@Suite struct ByteSizeTests {
    static let readable: [(String, UInt64)] = [
        ("20", 20 << 30), ("4KiB", 4096), ("64M", 64 << 20), ("20G", 20 << 30),
        ("1.5TiB", 3 << 39), ("32768", 32 << 40), ("32T", 32 << 40), ("8192B", 8192),
        ("0.5gib", 1 << 29), ("0.00390625MiB", 4096), ("1m", 1 << 20),
    ]

    @Test(arguments: readable) func sizesAreRead(text: String, bytes: UInt64) throws {
        #expect(try ByteSize.diskSize(text) == bytes)
    }

    @Test(arguments: [
        "0", "-1", "+1", "1.5", "1e3", "20GB", "20 GiB", "G", ".5G", "1.G", "1..5G", "33T",
        "32769", "4097B", "1KiB", "0.0000001KiB", "99999999999999999999999999", "１", "",
        "18446744073709551616T", "1GiBGiB",
    ]) func whatIsNoSizeIsRefused(text: String) {
        #expect(throws: ByteSize.Problem.self) { try ByteSize.diskSize(text) }
    }

    static let written: [(UInt64, String)] = [
        (0, "0 B"), (1023, "1023 B"), (4096, "4 KiB"), (20 << 30, "20 GiB"),
        (3 << 39, "1.5 TiB"), ((1 << 30) + (1 << 28), "1.25 GiB"), ((1 << 30) + 4096, "1 GiB"),
        (1_234_567_890, "1.1 GiB"), (32 << 40, "32 TiB"), (UInt64.max, "16777216 TiB"),
        (1034, "1 KiB"), ((1 << 30) - 1, "1024 MiB"),
    ]

    @Test(arguments: written) func sizesAreWritten(bytes: UInt64, text: String) {
        #expect(ByteSize.text(bytes) == text)
    }
}
