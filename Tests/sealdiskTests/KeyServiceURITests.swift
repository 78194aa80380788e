import KeyManagement
import Testing

@testable import sealdisk

@Suite struct KeyServiceURITests {
    @Test func theSchemeChoosesTheService() throws {
        let token = try KeyServiceURI("pkcs11:token=t;object=o?module-path=/lib/m.so")
        let server = try KeyServiceURI("vault+https://keys.example.com/transit?key=disks")
        guard case .token = token, case .server = server else {
            Issue.record("the wrong service")
            return
        }
        // Nothing is touched: neither is there.
        for (uri, location) in [
            (token, "pkcs11:token=t;object=o?module-path=/lib/m.so"),
            (server, "vault+https://keys.example.com/transit?key=disks"),
        ] {
            let backend = try uri.backend(account: "1000", region: "local")
            #expect(backend.account == "1000" && backend.region == "local")
            #expect(backend.location == location)
        }
    }

    @Test(arguments: [
        "", "keystore.json", "https://h/t", "pkcs11", "vault:x",
        "pkcs11:token=t?module-path=/m&pin-value=geheim", "vault+https://h/t?token=geheim",
        "vault+https://u:geheim@h/t", "vault+http://geheim/t",
    ]) func whatIsNoServiceIsRefusedWithoutRepeatingASecret(_ text: String) {
        do throws(KeyError) {
            _ = try KeyServiceURI(text)
            Issue.record("\(text) was taken")
        } catch {
            #expect(error.code == .io)
            #expect(!error.message.contains("geheim"))
        }
    }
}
