/// Sizes as people write and read them. Units are binary: 1 GiB = 2^30 bytes.
public enum ByteSize {
    /// A disk is a whole number of blocks.
    public static let block: UInt64 = 4096
    public static let smallestDisk: UInt64 = 4096
    public static let largestDisk: UInt64 = 32 << 40

    /// Why a text is not a disk's size.
    public struct Problem: Error, Hashable, CustomStringConvertible {
        public let description: String
    }

    /// The bytes of a disk's size as the API takes it: a whole number is GiB, as in ECS; with a
    /// unit (`4KiB`, `64M`, `1.5TiB`) it may have a fraction.
    public static func diskSize(_ text: String) throws(Problem) -> UInt64 {
        let bytes = try bytes(text)
        guard bytes.isMultiple(of: block) else {
            throw Problem(description: "a disk's size is a multiple of 4 KiB")
        }
        guard (smallestDisk...largestDisk).contains(bytes) else {
            throw Problem(description: "a disk's size is 4 KiB to 32 TiB")
        }
        return bytes
    }

    /// `bytes` in the largest unit that keeps it readable: exact when that takes at most two
    /// decimals, else rounded to one.
    public static func text(_ bytes: UInt64) -> String {
        let units: [(name: String, shift: UInt64)] = [
            ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10),
        ]
        for unit in units where bytes >= 1 << unit.shift {
            // 128 bits: hundredths of the largest number of bytes do not fit in 64.
            let scaled = UInt128(bytes) * 100
            let hundredths = scaled >> unit.shift
            let isExact = hundredths << unit.shift == scaled
            let rounded = isExact ? hundredths : (hundredths + 5) / 10 * 10
            return "\(decimal(rounded)) \(unit.name)"
        }
        return "\(bytes) B"
    }

    private static func decimal(_ hundredths: UInt128) -> String {
        let (whole, rest) = (hundredths / 100, hundredths % 100)
        if rest == 0 { return "\(whole)" }
        if rest % 10 == 0 { return "\(whole).\(rest / 10)" }
        return rest < 10 ? "\(whole).0\(rest)" : "\(whole).\(rest)"
    }

    private static func bytes(_ text: String) throws(Problem) -> UInt64 {
        let number = text.prefix { $0.isASCII && ($0.isWholeNumber || $0 == ".") }
        let unit = text[number.endIndex...]
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard let whole = parts.first, !whole.isEmpty, parts.count <= 2, number.utf8.count <= 24
        else { throw Problem(description: "a size is a number, perhaps with a unit") }
        let fraction = parts.count == 2 ? parts[1] : ""
        guard parts.count == 1 || (!fraction.isEmpty && !unit.isEmpty) else {
            throw Problem(description: "without a unit a size is a whole number of GiB")
        }
        let shift = try shift(of: unit)
        // At most 23 digits: neither the number nor its product with 2^40 leaves 128 bits.
        guard let digits = UInt128(whole + fraction) else {
            throw Problem(description: "a size is a number, perhaps with a unit")
        }
        let scale = fraction.reduce(into: UInt128(1)) { scale, _ in scale *= 10 }
        let (bytes, rest) = (digits << shift).quotientAndRemainder(dividingBy: scale)
        guard rest == 0, let result = UInt64(exactly: bytes) else {
            throw Problem(description: "a size is a whole number of bytes, of at most 32 TiB")
        }
        return result
    }

    private static func shift(of unit: Substring) throws(Problem) -> UInt128 {
        switch unit.uppercased() {
        case "", "G", "GIB": return 30
        case "K", "KIB": return 10
        case "M", "MIB": return 20
        case "T", "TIB": return 40
        case "B": return 0
        default:
            throw Problem(description: "units are KiB, MiB, GiB and TiB, or K, M, G and T")
        }
    }
}
