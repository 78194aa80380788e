import CryptoPrimitives
import Testing

@testable import S3Client

/// Examples that AWS published, with the signatures that came of them there.
@Suite("S3Client: signatures")
struct SignatureTests {
    private static func keys(_ access: String, _ secret: String) throws -> S3Keys {
        try CredentialsFile.keys(Array(access.utf8), Array(secret.utf8), nil, of: "test")
    }

    /// Of the suite "AWS Signature Version 4 Test Suite".
    private func suite(
        _ method: String, _ path: String, _ query: [(name: String, value: String)] = [],
        _ headers: [(String, String)] = []
    ) throws -> String {
        let keys = try Self.keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        let all = headers + [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")]
        let signature = Signature(
            method: method, path: path, query: query,
            headers: all.map { .init(name: $0.0, value: $0.1) }, payload: Signature.emptyPayload,
            time: SignedTime(seconds: 1_440_938_160), region: "us-east-1", service: "service")
        return try signature.signature(by: keys)
    }

    @Test func theSuiteOfAWS() throws {
        #expect(
            try suite("GET", "/")
                == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
        #expect(
            try suite("POST", "/")
                == "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
        #expect(
            try suite("GET", "/", [("Param2", "value2"), ("Param1", "value1")])
                == "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")
        #expect(
            try suite("GET", "/", [("\u{1234}", "bar")])
                == "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04")
        let plain = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        #expect(
            try suite("GET", Escaping.escape("/" + plain, keepsSlash: true))
                == "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f")
        #expect(
            try suite("GET", "/", [(plain, plain)])
                == "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197")
        #expect(
            try suite(
                "GET", "/", [], [("my-header1", " value1"), ("my-header2", " \"a   b   c\"")])
                == "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736")
    }

    /// Of "Signature Calculations for the Authorization Header" in the reference of S3.
    private func example(
        _ method: String, _ path: String, query: [(name: String, value: String)] = [],
        headers: [(String, String)] = [], payload: String = Signature.emptyPayload
    ) throws -> Signature {
        let all =
            headers + [
                ("host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", payload),
                ("x-amz-date", "20130524T000000Z"),
            ]
        return Signature(
            method: method, path: path, query: query,
            headers: all.map { .init(name: $0.0, value: $0.1) }, payload: payload,
            time: SignedTime(seconds: 1_369_353_600), region: "us-east-1", service: "s3")
    }

    @Test func theExamplesOfS3() throws {
        let keys = try Self.keys(
            "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        let get = try example("GET", "/test.txt", headers: [("range", "bytes=0-9")])
        #expect(
            Hex.text(try SHA256.hash(Array(get.canonicalRequest.utf8)))
                == "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972")
        #expect(
            try get.authorization(by: keys)
                == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                + "aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
                + " Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        let put = try example(
            "PUT", Escaping.escape("/test$file.text", keepsSlash: true),
            headers: [
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            payload: Hex.text(try SHA256.hash(Array("Welcome to Amazon S3.".utf8))))
        #expect(
            try put.signature(by: keys)
                == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
        #expect(
            try example("GET", "/", query: [("lifecycle", "")]).signature(by: keys)
                == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        #expect(
            try example("GET", "/", query: [("prefix", "J"), ("max-keys", "2")])
                .signature(by: keys)
                == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test func momentsAreWrittenAndRead() {
        #expect(SignedTime(seconds: 0).stamp == "19700101T000000Z")
        #expect(SignedTime(seconds: 1_369_353_600).stamp == "20130524T000000Z")
        #expect(SignedTime(seconds: 1_709_251_199).stamp == "20240229T235959Z")
        #expect(SignedTime(seconds: 4_107_542_400).stamp == "21000301T000000Z")
        #expect(
            SignedTime(header: "Fri, 24 May 2013 00:00:00 GMT")?.seconds == 1_369_353_600)
        #expect(SignedTime(header: "Thu, 29 Feb 2024 23:59:59 GMT")?.seconds == 1_709_251_199)
        // Each day of 80 years comes back as itself.
        for day in 0..<29_220 {
            let seconds = Int64(day) * 86400 + 3661
            let stamp = SignedTime(seconds: seconds).stamp
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct"]
            let number = Int(stamp.dropFirst(4).prefix(2)) ?? 0
            let month = (months + ["Nov", "Dec"])[number - 1]
            let header = "Xxx, \(stamp.dropFirst(6).prefix(2)) \(month) \(stamp.prefix(4))"
            #expect(SignedTime(header: header + " 01:01:01 GMT")?.seconds == seconds)
        }
        for bad in ["", "now", "Fri, 24 May 2013 00:00:00", "Fri, 24 May 2013 25:00:00 GMT"] {
            #expect(SignedTime(header: bad) == nil)
        }
    }

    /// RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func hashesAreWrittenInBase64(bytes: String, text: String) {
        #expect(Base64.text(of: Array(bytes.utf8)) == text)
    }

    @Test func namesAreEscapedOnce() {
        #expect(Escaping.escape("a b/ä~+", keepsSlash: true) == "a%20b/%C3%A4~%2B")
        #expect(Escaping.escape("a/b=&") == "a%2Fb%3D%26")
        #expect(Escaping.unescape("a%2Fb+%C3%A4") == "a/b ä")
        for bad in ["%", "%4", "%zz", "%ff"] { #expect(Escaping.unescape(bad) == nil) }
    }
}
