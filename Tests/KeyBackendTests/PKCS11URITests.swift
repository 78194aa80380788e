import KeyManagement
import Testing

@testable import PKCS11Keys

@Suite struct PKCS11URITests {
    private static let rest = "?module-path=/lib/m.so"

    @Test func partsAreDecoded() throws {
        let uri = try PKCS11URI(
            "pkcs11:token=My%20t%C3%B6ken;serial=1%3B2;object=a%2Cb"
                + "?module-path=/opt/x%3Fy.so&pin-source=%7Cpass%20show%20hsm")
        #expect(uri.token == "My töken")
        #expect(uri.serial == "1;2")
        #expect(uri.object == "a,b")
        #expect(uri.modulePath == "/opt/x?y.so")
        #expect(uri.pinSource == .command("pass show hsm"))
        #expect(!uri.location.contains("pass"))
        #expect(try PKCS11URI(uri.location).modulePath == uri.modulePath)
        #expect(try PKCS11URI(uri.location).token == uri.token)
    }

    @Test func thePINComesFromAFileACommandOrAPerson() throws {
        func source(_ text: String) throws -> CredentialSource {
            try PKCS11URI("pkcs11:token=t\(Self.rest)\(text)").pinSource
        }
        #expect(try source("") == .prompt)
        #expect(try source("&pin-source=file:/a/b") == .file("/a/b"))
        #expect(try source("&pin-source=file:///a/b") == .file("/a/b"))
        #expect(try source("&pin-source=/a/b") == .file("/a/b"))
        #expect(try source("&pin-source=|cat x") == .command("cat x"))
    }

    @Test(arguments: [
        "pkcs12:token=t", "pkcs11:", "pkcs11:token=t", "pkcs11:object=o\(rest)",
        "pkcs11:token=t?module-path=m.so", "pkcs11:token=%4\(rest)", "pkcs11:token=%00\(rest)",
        "pkcs11:token=%FF\(rest)", "pkcs11:token=\(rest)", "pkcs11:token=a;token=b\(rest)",
        "pkcs11:token=t;slot-id=1\(rest)", "pkcs11:token=t\(rest)&module-name=m",
        "pkcs11:token=t\(rest)&pin-source=", "pkcs11:token=t\(rest)&pin-source=http://h",
        "pkcs11:token\(rest)",
    ]) func whatCannotBeUsedIsRefused(_ text: String) {
        #expect(keyError { _ = try PKCS11URI(text) }?.code == .io)
    }

    @Test func aPINInTheURIIsRefusedAndNotRepeated() {
        let error = keyError { _ = try PKCS11URI("pkcs11:token=t\(Self.rest)&pin-value=4711") }
        #expect(error?.code == .io)
        #expect(error?.message.contains("4711") == false)
        #expect(error?.message.contains("pin-source") == true)
    }
}
