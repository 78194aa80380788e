import CryptoPrimitives

/// In JSON: `{"bytes": lower-case hex, "keyID": text}`.
extension WrappedKey: Codable {
    private enum CodingKeys: String, CodingKey { case keyID, bytes }

    /// A wrapped key is read from untrusted storage; providers make far smaller ones.
    private static let maximumLength = 4096

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let text = try container.decode(String.self, forKey: .bytes)
        let keyID = try container.decode(String.self, forKey: .keyID)
        guard keyID.utf8.count <= Self.maximumLength, text.utf8.count <= 2 * Self.maximumLength,
            let bytes = Hex.bytes(text)
        else {
            throw DecodingError.dataCorruptedError(
                forKey: .bytes, in: container,
                debugDescription: "a wrapped key is lower-case hex of at most 4096 bytes")
        }
        self.init(keyID: keyID, bytes: bytes)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(keyID, forKey: .keyID)
        try container.encode(Hex.text(bytes), forKey: .bytes)
    }
}
