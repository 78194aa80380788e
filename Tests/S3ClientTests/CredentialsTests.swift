import ChunkStore
import Foundation
import Testing

@testable import S3Client

@Suite("S3Client: credentials")
struct CredentialsTests {
    /// A file of credentials, and the environment that leads to it.
    private func withFile(
        _ text: String, mode: mode_t = 0o600, profile: String? = nil,
        _ body: (String, [String: String]) throws -> Void
    ) throws {
        let path = NSTemporaryDirectory() + "/credentials-\(UUID().uuidString)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        chmod(path, mode)
        defer { unlink(path) }
        var environment = ["AWS_SHARED_CREDENTIALS_FILE": path]
        environment["AWS_PROFILE"] = profile
        try body(path, environment)
    }

    private let file = """
        # comment
        [default]
        aws_access_key_id = AKIDONE
        aws_secret_access_key=secret=1
        ; more
        [ other ]
          AWS_ACCESS_KEY_ID = AKIDTWO\r
        aws_secret_access_key = s2
        aws_session_token = t2
        region = eu-central-1
        [process]
        credential_process = /bin/keys
        """

    @Test func theEnvironmentComesFirst() throws {
        try withFile(file) { _, environment in
            var environment = environment
            environment["AWS_ACCESS_KEY_ID"] = "AKIDENV"
            environment["AWS_SECRET_ACCESS_KEY"] = "secret"
            environment["AWS_SESSION_TOKEN"] = "token"
            let credentials = try S3Credentials(environment: environment)
            let keys = try credentials.current()
            #expect(keys.accessKey == "AKIDENV")
            #expect(keys.withToken { $0?.elementsEqual("token".utf8) } == true)
            #expect(credentials.renewed(after: keys) == nil)
        }
    }

    @Test func profilesAreRead() throws {
        try withFile(file) { path, environment in
            let keys = try S3Credentials(environment: environment).current()
            #expect(keys.accessKey == "AKIDONE")
            #expect(keys.withToken { $0 == nil })
            let expected = try CredentialsFile.keys(
                Array("AKIDONE".utf8), Array("secret=1".utf8), nil, of: path)
            #expect(keys.isEqual(to: expected))
        }
        try withFile(file, profile: "other") { _, environment in
            let keys = try S3Credentials(environment: environment).current()
            #expect(keys.accessKey == "AKIDTWO")
            #expect(keys.withToken { $0?.elementsEqual("t2".utf8) } == true)
        }
    }

    @Test func whatIsMissingIsNamed() throws {
        func cause(_ environment: [String: String]) -> String {
            let error = storeError { _ = try S3Credentials(environment: environment) }
            #expect(error?.code == .denied)
            return error?.description ?? ""
        }
        #expect(cause([:]).contains("AWS_ACCESS_KEY_ID"))
        #expect(cause(["AWS_ACCESS_KEY_ID": "a"]).contains("lacks AWS_SECRET_ACCESS_KEY"))
        #expect(cause(["HOME": "/nowhere"]).contains("/nowhere/.aws/credentials"))
        try withFile(file, profile: "third") { path, environment in
            #expect(cause(environment).contains("third") && cause(environment).contains(path))
        }
        try withFile(file, profile: "process") { _, environment in
            #expect(cause(environment).contains("not run here"))
        }
        try withFile(file, mode: 0o666) { _, environment in
            #expect(cause(environment).contains("chmod 600"))
        }
        try withFile("[default]\naws_access_key_id=a b\naws_secret_access_key=c") {
            #expect(cause($1).contains("one word"))
        }
    }

    /// What anybody may print of them says nothing.
    @Test func secretsAreNotPrinted() throws {
        let environment = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hidden-word"]
        let credentials = try S3Credentials(environment: environment)
        let keys = try credentials.current()
        var text = ""
        dump(keys, to: &text)
        dump(credentials, to: &text)
        #expect(!text.contains("hidden-word"))
        #expect(!"\(keys) \(credentials)".contains("hidden-word"))
    }
}
