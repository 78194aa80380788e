import CryptoPrimitives

/// The answer to one request: what the `control` file gives back, and `--json` prints.
public struct Reply: Sendable {
    /// One JSON object without a newline in it: `RequestId`, then the fields of the response, or
    /// `Code`, `Message` and `Recommend` of a refusal.
    public let json: String
    /// 0 when the request was carried out, else the errno with which `write(2)` on `control` fails.
    public let errno: Int32
    /// The refusal, if it is one.
    public let refusal: Refusal?
    /// The fields of the response behind `RequestId`; empty in a refusal.
    public let fields: JSONObject

    public var isSuccess: Bool { errno == 0 }

    init(requestID: String, fields: JSONObject) {
        self.fields = fields
        errno = 0
        refusal = nil
        var object: JSONObject = ["RequestId": .string(requestID)]
        object.append(fields)
        json = JSON.object(object).text
    }

    init(requestID: String, refusal: Refusal) {
        fields = [:]
        errno = refusal.kind.errno
        self.refusal = refusal
        json =
            JSON.object([
                "RequestId": .string(requestID),
                "Code": .string(refusal.code),
                "Message": .string(refusal.message),
                "Recommend": .string(refusal.recommend),
            ]).text
    }
}

extension Reply {
    /// The reply to an action that was carried out without a control plane (the KMS's own, when no
    /// store is at hand).
    public init(_ work: () throws(Refusal) -> JSONObject) {
        var id = RequestID.none
        do {
            id = try RequestID.make(from: SystemEntropy())
            self.init(requestID: id, fields: try work())
        } catch {
            self.init(requestID: id, refusal: Refusal(error, about: .request))
        }
    }
}
