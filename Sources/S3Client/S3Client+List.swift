import ChunkStore
import HTTP
import S3Store

extension S3Client {
    /// So many answers a listing may have, of a thousand names each: a server that never comes to
    /// an end is left.
    private static let pageLimit = 100_000

    public func list(_ prefix: String, isDeep: Bool) throws(StoreError) -> ObjectListing {
        let whole = place.prefix + prefix
        var request = S3Request(call: .list, subject: prefix, method: .get, path: "")
        var objects: [String: ListPage.Item] = [:]
        var folders: Set<String> = []
        var token: String?
        for _ in 0..<Self.pageLimit {
            request.query = [("list-type", "2"), ("prefix", whole), ("encoding-type", "url")]
            if !isDeep { request.query.append(("delimiter", "/")) }
            if let token { request.query.append(("continuation-token", token)) }
            let page = try page(request)
            // What is no name of a store's is somebody else's.
            for item in page.items where item.key.hasPrefix(whole) {
                let key = item.key.dropFirst(place.prefix.utf8.count)
                if Self.isKey(key) { objects[String(key)] = item }
            }
            for folder in page.folders where folder.hasPrefix(whole) && folder.hasSuffix("/") {
                let name = folder.dropFirst(whole.utf8.count).dropLast()
                if !name.contains("/"), Self.isKey(name) { folders.insert(String(name)) }
            }
            guard let next = page.nextToken else {
                return listing(objects, folders)
            }
            guard next != token else {
                throw StoreError(
                    .io, operation: operation(request), cause: "the server repeats its answer")
            }
            token = next
        }
        throw StoreError(.io, operation: operation(request), cause: "the listing has no end")
    }

    private func page(_ request: S3Request) throws(StoreError) -> ListPage {
        try retrying.call(.always) { _ throws(StoreError) in
            let (reply, answer) = try ask(request, accepting: [200]) {
                HTTPMemory(limit: ListPage.lengthLimit)
            }
            guard reply.isWhole else {
                throw StoreError(
                    .io, operation: operation(request), cause: "the server's answer is too long")
            }
            do throws(XMLReader.Problem) {
                return try ListPage(answer.bytes)
            } catch {
                throw StoreError(
                    .io, operation: operation(request),
                    cause: "the server's answer is no listing: \(error.text)")
            }
        }
    }

    /// Not every server has the order of S3.
    private func listing(
        _ objects: [String: ListPage.Item], _ folders: Set<String>
    ) -> ObjectListing {
        let sorted = objects.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        return ObjectListing(
            objects: sorted.map { key, item in
                .init(
                    key: ObjectKey(key), size: item.size,
                    tag: item.tag.flatMap(Self.plainTag).map(ObjectTag.init))
            },
            folders: folders.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    }

    private static func isKey(_ text: Substring) -> Bool {
        guard (1...900).contains(text.utf8.count), text.last != "/" else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "/"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }
}
