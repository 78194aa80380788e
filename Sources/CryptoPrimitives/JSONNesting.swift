/// How deeply JSON text is nested. Foundation's decoder traps on text that ends exactly where it
/// becomes too deep for it (513 opening brackets), so what is not trusted is asked this first.
public enum JSONNesting {
    /// More than any record here has, far less than Foundation's 512.
    public static let maximumDepth = 32

    /// Whether brackets outside of strings never stand deeper than that.
    public static func isBounded(_ bytes: some Sequence<UInt8>) -> Bool {
        var (depth, isInString, isEscaped) = (0, false, false)
        for byte in bytes {
            if isEscaped {
                isEscaped = false
            } else if isInString {
                isEscaped = byte == UInt8(ascii: "\\")
                isInString = byte != UInt8(ascii: "\"")
            } else {
                switch byte {
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
                case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
                default: break
                }
                if depth > maximumDepth { return false }
            }
        }
        return true
    }
}
