import CryptoPrimitives
import HTTP

/// A request before it is signed: what each attempt of it has in common.
struct S3Request {
    let call: S3Call
    /// For errors: the key or prefix.
    let subject: String
    let method: HTTPRequest.Method
    /// Below the bucket, not escaped, beginning with `/`; empty: the bucket itself.
    let path: String
    var query: [(name: String, value: String)] = []
    /// Names in lower case.
    var headers: [Signature.Header] = []
    /// nil: the request has none. Must outlive the request.
    var body: UnsafeRawBufferPointer?

    func signed(
        for place: S3Place, by keys: S3Keys, at time: SignedTime
    ) throws(CryptoError) -> HTTPRequest {
        let hash = try bodyHash(place)
        let payload = payload(place, hash)
        var headers =
            headers + [
                Signature.Header(name: "host", value: place.host),
                Signature.Header(name: "x-amz-content-sha256", value: payload),
                Signature.Header(name: "x-amz-date", value: time.stamp),
            ]
        if let token = keys.withToken({ $0.map { String(decoding: $0, as: UTF8.self) } }) {
            headers.append(Signature.Header(name: "x-amz-security-token", value: token))
        }
        if let hash, isReplacement {
            let text = Base64.text(of: hash)
            headers.append(Signature.Header(name: "x-amz-checksum-sha256", value: text))
        }
        let escaped = Escaping.escape(place.root + path, keepsSlash: true)
        let signature = Signature(
            method: body == nil ? method.rawValue : "PUT",
            path: escaped.isEmpty ? "/" : escaped, query: query, headers: headers,
            payload: payload, time: time, region: place.region, service: "s3")
        let sent = HTTPHeaders()
        for header in headers { sent.add(header.name, header.value) }
        sent.add("authorization", try signature.authorization(by: keys))
        let query = signature.queryText
        return HTTPRequest(
            url: "\(place.scheme)://\(place.host)\(signature.path)"
                + (query.isEmpty ? "" : "?" + query),
            headers: sent, content: body.map { .put($0) } ?? .none(method),
            mayRepeat: call.repeatable == .always)
    }

    /// Whether it takes the place of an object that may be wanted still. Such a put names the hash
    /// of its body, that the server looks whether it has all of it: SeaweedFS (4.48) takes one
    /// whose client was killed after the head for a whole one without a body.
    private var isReplacement: Bool {
        if case .put(let condition) = call { condition != .always } else { false }
    }

    /// nil if nothing needs it.
    private func bodyHash(_ place: S3Place) throws(CryptoError) -> [UInt8]? {
        guard let body, isReplacement || place.scheme != "https" else { return nil }
        return try SHA256.hash(parts: body)
    }

    /// TLS vouches for the body; without it the signature does.
    private func payload(_ place: S3Place, _ hash: [UInt8]?) -> String {
        if body == nil { return Signature.emptyPayload }
        guard let hash, place.scheme != "https" else { return Signature.unsignedPayload }
        return Hex.text(hash)
    }
}
