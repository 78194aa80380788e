// How the format's small values are written in JSON.

extension LogPosition: Codable {
    private enum Key: String, CodingKey { case chunk, slot }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        let raw = try fields.decode(UInt64.self, forKey: .chunk)
        let slot = try fields.decode(UInt32.self, forKey: .slot)
        guard let chunk = ChunkNumber(rawValue: raw), slot <= ChunkLayout.maximumSlots else {
            throw FormatError(.malformed, "a log position that makes no sense")
        }
        self.init(chunk: chunk, slot: slot)
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(chunk.rawValue, forKey: .chunk)
        try fields.encode(slot, forKey: .slot)
    }
}

/// Chunk and slot as one string of 16 hexadecimal digits: 64 bits do not fit a JSON number.
extension BlockAddress: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard text.utf8.count == 16, let raw = UInt64(text, radix: 16) else {
            throw FormatError(.malformed, "a block address that makes no sense")
        }
        self.init(rawValue: raw)
    }

    public func encode(to encoder: any Encoder) throws {
        let text = String(rawValue, radix: 16)
        var value = encoder.singleValueContainer()
        try value.encode(String(repeating: "0", count: 16 - text.utf8.count) + text)
    }
}

extension DiskID: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = DiskID(text) else { throw FormatError(.malformed, "not a disk's id") }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(text)
    }
}

extension LineageID: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = LineageID(text) else { throw FormatError(.malformed, "not a lineage's id") }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(description)
    }
}

extension SnapshotID: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = SnapshotID(text) else {
            throw FormatError(.malformed, "not a snapshot's id")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        try value.encode(text)
    }
}
