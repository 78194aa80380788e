/// One reply to `ListObjectsV2`.
struct ListPage: Equatable {
    struct Item: Equatable {
        let key: String
        let size: UInt64
        /// As it is written there; nil: the server does not tell.
        var tag: String?
    }

    var items: [Item] = []
    /// Ends with the delimiter.
    var folders: [String] = []
    /// nil: this is the last page.
    var nextToken: String?

    /// A page has 1000 items at most, of some hundred bytes each.
    static let lengthLimit = 16 << 20

    /// Throws if those are not the bytes of a page.
    init(_ bytes: [UInt8]) throws(XMLReader.Problem) {
        var reader = XMLReader(bytes)
        guard try reader.next() == .start("ListBucketResult") else {
            throw XMLReader.Problem(text: "it is no ListBucketResult")
        }
        var isTruncated: Bool?
        var token: String?
        var isEscaped = false
        while let part = try reader.next() {
            guard case .start(let name) = part else { continue }
            switch name {
            case "Contents": items.append(try Self.item(&reader))
            case "CommonPrefixes": folders.append(try Self.folder(&reader))
            case "IsTruncated": isTruncated = try reader.content() == "true"
            case "NextContinuationToken": token = try reader.content()
            case "EncodingType": isEscaped = try reader.content() == "url"
            default: try reader.skip()
            }
        }
        guard let isTruncated else { throw XMLReader.Problem(text: "it has no IsTruncated") }
        if isTruncated {
            guard let token, !token.isEmpty else {
                throw XMLReader.Problem(text: "there is more, and no token to ask for it")
            }
            nextToken = token
        }
        if isEscaped { try unescape() }
    }

    private static func item(_ reader: inout XMLReader) throws(XMLReader.Problem) -> Item {
        var key: String?
        var size: UInt64?
        var tag: String?
        while let part = try reader.next(), part != .end("Contents") {
            guard case .start(let name) = part else { continue }
            switch name {
            case "Key": key = try reader.content()
            case "Size": size = UInt64(try reader.content())
            case "ETag": tag = try reader.content()
            default: try reader.skip()
            }
        }
        guard let key, let size else {
            throw XMLReader.Problem(text: "an object without key or size")
        }
        return Item(key: key, size: size, tag: tag)
    }

    private static func folder(_ reader: inout XMLReader) throws(XMLReader.Problem) -> String {
        var prefix: String?
        while let part = try reader.next(), part != .end("CommonPrefixes") {
            guard case .start(let name) = part else { continue }
            if name == "Prefix" { prefix = try reader.content() } else { try reader.skip() }
        }
        guard let prefix else { throw XMLReader.Problem(text: "a folder without a name") }
        return prefix
    }

    private mutating func unescape() throws(XMLReader.Problem) {
        for index in items.indices {
            guard let key = Escaping.unescape(items[index].key) else {
                throw XMLReader.Problem(text: "a key with a bad % in it")
            }
            items[index] = Item(key: key, size: items[index].size, tag: items[index].tag)
        }
        for index in folders.indices {
            guard let name = Escaping.unescape(folders[index]) else {
                throw XMLReader.Problem(text: "a folder with a bad % in it")
            }
            folders[index] = name
        }
    }
}
