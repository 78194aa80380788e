import ChunkStore
import HTTP
import S3Store

extension S3Client {
    public func put(
        _ key: ObjectKey, _ body: UnsafeRawBufferPointer, if condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
        var request = self.request(.put(condition), key, .get)
        request.body = body
        switch condition {
        case .always: break
        case .absent: request.headers.append(.init(name: "if-none-match", value: "*"))
        case .tag(let tag):
            let isBare = sendsBareTags.load(ordering: .relaxed)
            let text = isBare ? tag.text : "\"\(tag.text)\""
            request.headers.append(.init(name: "if-match", value: text))
        }
        return try retrying.call(request.call.repeatable) { _ throws(StoreError) in
            let (reply, _) = try ask(request, accepting: [200, 201, 204]) {
                HTTPMemory(limit: ServerError.lengthLimit)
            }
            return try tag(reply.head, request)
        }
    }

    public func get(
        _ key: ObjectKey, from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> ObjectPart {
        guard !buffer.isEmpty else {
            // A range has a byte at least.
            var byte: UInt8 = 0
            let part = try withUnsafeMutableBytes(of: &byte) { (byte) throws(StoreError) in
                try get(key, from: offset, into: byte)
            }
            return ObjectPart(count: 0, size: part.size, tag: part.tag)
        }
        // No object is as long, and servers count with a sign.
        let limit = UInt64(Int64.max) - UInt64(buffer.count)
        let first = min(offset, limit)
        var request = self.request(.get, key, .get)
        let last = first + UInt64(buffer.count) - 1
        request.headers.append(.init(name: "range", value: "bytes=\(first)-\(last)"))
        return try retrying.call(.always) { _ throws(StoreError) in
            let (reply, answer) = try ask(request, accepting: [200, 206, 416]) {
                RangeReceiver(buffer, offset: first)
            }
            if reply.status == 416 { return try nothing(key, first) }
            return reply.head.isRange
                ? try range(reply, answer, first, buffer.count, request)
                : try whole(reply, answer, first, buffer.count, request)
        }
    }

    public func delete(_ key: ObjectKey) throws(StoreError) {
        let request = self.request(.delete, key, .delete)
        try retrying.call(.always) { _ throws(StoreError) in
            do throws(StoreError) {
                _ = try ask(request, accepting: [200, 202, 204]) {
                    HTTPMemory(limit: ServerError.lengthLimit)
                }
            } catch {
                // Some servers say so, S3 itself does not.
                guard error.code == .notFound else { throw error }
            }
        }
    }

    private func request(
        _ call: S3Call, _ key: ObjectKey, _ method: HTTPRequest.Method
    ) -> S3Request {
        S3Request(
            call: call, subject: key.text, method: method, path: "/\(place.prefix)\(key.text)")
    }

    /// A range as the server gave it, which must be the one that was asked for, or end with the
    /// object.
    private func range(
        _ reply: HTTPReply, _ answer: RangeReceiver, _ first: UInt64, _ asked: Int,
        _ request: S3Request
    ) throws(StoreError) -> ObjectPart {
        guard let range = reply.head["content-range"].flatMap({ ContentRange($0) }),
            range.first == first, let last = range.last, last - first < UInt64(asked)
        else {
            throw StoreError(
                .io, operation: operation(request),
                cause: "the server gave another range than \(asked) bytes at \(first)")
        }
        let count = min(UInt64(asked), range.size - first)
        guard last - first + 1 == count, answer.received == count else {
            throw short(request, answer.received, of: count)
        }
        return ObjectPart(
            count: Int(count), size: range.size, tag: try tag(reply.head, request))
    }

    /// All of the object, from a server that does not heed ranges.
    private func whole(
        _ reply: HTTPReply, _ answer: RangeReceiver, _ first: UInt64, _ asked: Int,
        _ request: S3Request
    ) throws(StoreError) -> ObjectPart {
        let size = reply.head.contentLength ?? answer.received
        let count = first < size ? min(UInt64(asked), size - first) : 0
        guard UInt64(answer.filled) == count else {
            throw short(request, answer.received, of: size)
        }
        return ObjectPart(count: Int(count), size: size, tag: try tag(reply.head, request))
    }

    /// An object that ends before the range begins: the answer that says so tells neither size nor
    /// tag.
    private func nothing(_ key: ObjectKey, _ first: UInt64) throws(StoreError) -> ObjectPart {
        let request = self.request(.get, key, .head)
        let (reply, _) = try ask(request, accepting: [200, 404]) {
            HTTPMemory(limit: ServerError.lengthLimit)
        }
        guard reply.status == 200 else {
            throw StoreError(
                .notFound, operation: operation(request), cause: "there is no such object")
        }
        guard let size = reply.head.contentLength else {
            throw StoreError(
                .io, operation: operation(request), cause: "the server does not tell its size")
        }
        guard size <= first else {
            throw StoreError(
                .busy, operation: operation(request), cause: "it was replaced meanwhile")
        }
        return ObjectPart(count: 0, size: size, tag: try tag(reply.head, request))
    }

    private func short(_ request: S3Request, _ count: UInt64, of whole: UInt64) -> StoreError {
        meter.countFailure()
        return StoreError(
            .unanswered, operation: operation(request),
            cause: "the server sent \(count) of \(whole) bytes")
    }

    private func tag(_ head: HTTPHead, _ request: S3Request) throws(StoreError) -> ObjectTag {
        guard let text = Self.plainTag(head["etag"] ?? "") else {
            throw StoreError(
                .io, operation: operation(request),
                cause: "the server gave no ETag that can be used")
        }
        return ObjectTag(text)
    }

    /// An ETag without the quotes that some servers put around it; nil if it cannot be used.
    static func plainTag(_ text: String) -> String? {
        var text = text[...]
        if text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") {
            text = text.dropFirst().dropLast()
        }
        guard !text.isEmpty, text.utf8.count <= 256,
            text.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "\"") })
        else { return nil }
        return String(text)
    }
}
