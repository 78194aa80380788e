import CryptoPrimitives
import Foundation
import KeyManagement
import PKCS11Keys
import Testing
import VaultKeys

/// A place where CMKs are held; backends of several accounts come from it.
protocol BackendRig: Sendable {
    func backend(account: String, region: String) throws -> any KeyBackend
}

struct TokenRig: BackendRig {
    let uri: String

    init() throws {
        let hsm = try SoftHSM.shared.get()
        uri = try hsm.uri(hsm.token())
    }

    func backend(account: String, region: String) throws -> any KeyBackend {
        try PKCS11Backend(PKCS11URI(uri), account: account, region: region)
    }
}

struct ServerRig: BackendRig {
    let uri: String

    init() throws {
        let server = try OpenBao.shared.get()
        uri = try server.uri(prefix: server.prefix())
    }

    func backend(account: String, region: String) throws -> any KeyBackend {
        try VaultBackend(VaultURI(uri), account: account, region: region)
    }
}

/// What every holder of a CMK promises, asked of each.
@Suite struct BackendContractTests {
    enum Kind: CaseIterable, Sendable {
        /// `Tests/run` installs both.
        case token, server
    }

    private func rig(_ kind: Kind) throws -> any BackendRig {
        switch kind {
        case .token: try TokenRig()
        case .server: try ServerRig()
        }
    }

    private func make(_ kind: Kind) throws -> any KeyBackend {
        let backend = try rig(kind).backend(account: "1000", region: "local")
        #expect(try backend.activate())
        return backend
    }

    @Test(arguments: Kind.allCases) func keysComeBackUnwrapped(_ kind: Kind) throws {
        let backend = try make(kind)
        let first = try backend.generateDataKey(context: context)
        let wrapped = first.wrapped
        let key = first.takeKey()
        #expect(key.count == 32)
        #expect(try backend.unwrap(wrapped, context: context).revealed == key.revealed)
        let second = try backend.generateDataKey(context: context)
        #expect(second.wrapped.keyID == wrapped.keyID)
        #expect(second.wrapped.bytes != wrapped.bytes)
        #expect(second.takeKey().revealed != key.revealed)
    }

    @Test(arguments: Kind.allCases) func anotherProcessFindsTheSameCMK(_ kind: Kind) throws {
        let rig = try rig(kind)
        let first = try rig.backend(account: "1000", region: "local")
        #expect(try first.activate())
        let generated = try first.generateDataKey(context: context)
        let wrapped = generated.wrapped
        let key = generated.takeKey()
        let second = try rig.backend(account: "1000", region: "local")
        #expect(try second.isActivated)
        #expect(try !second.activate())
        #expect(try second.unwrap(wrapped, context: context).revealed == key.revealed)
        #expect(try second.generateDataKey(context: context).wrapped.keyID == wrapped.keyID)
    }

    @Test(arguments: Kind.allCases) func otherContextsAreRefused(_ kind: Kind) throws {
        let backend = try make(kind)
        let wrapped = try backend.generateDataKey(context: context).wrapped
        let others = [
            KeyContext(store: "st-2", lineage: "l-1", epoch: 1, format: 1),
            KeyContext(store: "st-1", lineage: "l-2", epoch: 1, format: 1),
            KeyContext(store: "st-1", lineage: "l-1", epoch: 2, format: 1),
            KeyContext(store: "st-1", lineage: "l-1", epoch: 1, format: 2),
            KeyContext(store: "st-1l", lineage: "-1", epoch: 1, format: 1),
        ]
        for other in others {
            #expect(
                keyError { _ = try backend.unwrap(wrapped, context: other) }?.code == .refused)
            #expect(
                keyError { _ = try backend.rewrap(wrapped, context: other) }?.code == .refused)
        }
    }

    @Test(arguments: Kind.allCases) func alteredBytesAreRefused(_ kind: Kind) throws {
        let backend = try make(kind)
        let wrapped = try backend.generateDataKey(context: context).wrapped
        for index in wrapped.bytes.indices {
            var bytes = wrapped.bytes
            bytes[index] ^= 1 << (index % 8)
            let altered = WrappedKey(keyID: wrapped.keyID, bytes: bytes)
            #expect(
                keyError { _ = try backend.unwrap(altered, context: context) }?.code == .refused,
                "byte \(index)")
        }
        for count in [0, 1, 13, 29, wrapped.bytes.count - 1, wrapped.bytes.count + 1] {
            let cut = WrappedKey(
                keyID: wrapped.keyID, bytes: Array((wrapped.bytes + [0]).prefix(count)))
            #expect(keyError { _ = try backend.unwrap(cut, context: context) }?.code == .refused)
        }
    }

    @Test(arguments: Kind.allCases) func otherCMKsAreUnknown(_ kind: Kind) throws {
        let backend = try make(kind)
        let wrapped = try backend.generateDataKey(context: context).wrapped
        for keyID in ["", "00000000-0000-4000-8000-000000000000", wrapped.keyID + " ", "\u{1b}/.."]
        {
            let other = WrappedKey(keyID: keyID, bytes: wrapped.bytes)
            #expect(
                keyError { _ = try backend.unwrap(other, context: context) }?.code == .unknownKey)
        }
    }

    @Test(arguments: Kind.allCases) func accountsAndRegionsHaveCMKsOfTheirOwn(_ kind: Kind) throws {
        let rig = try rig(kind)
        let mine = try rig.backend(account: "1000", region: "local")
        #expect(try mine.activate())
        let wrapped = try mine.generateDataKey(context: context).wrapped
        for (account, region) in [("1001", "local"), ("1000", "other"), ("1000l", "ocal")] {
            let other = try rig.backend(account: account, region: region)
            #expect(try !other.isActivated)
            #expect(try other.activate())
            #expect(
                keyError { _ = try other.unwrap(wrapped, context: context) }?.code == .unknownKey)
            #expect(try other.generateDataKey(context: context).wrapped.keyID != wrapped.keyID)
        }
    }

    @Test(arguments: Kind.allCases) func activationComesFirst(_ kind: Kind) throws {
        let backend = try rig(kind).backend(account: "1000", region: "local")
        #expect(try !backend.isActivated)
        let wrapped = WrappedKey(keyID: "k", bytes: [])
        #expect(
            keyError { _ = try backend.generateDataKey(context: context) }?.code == .notActivated)
        #expect(
            keyError { _ = try backend.unwrap(wrapped, context: context) }?.code == .notActivated)
        #expect(
            keyError { _ = try backend.rewrap(wrapped, context: context) }?.code == .notActivated)
        #expect(keyError { _ = try backend.describe() }?.code == .notActivated)
        #expect(try backend.activate())
        #expect(try backend.isActivated)
        #expect(try !backend.activate())
    }

    @Test(arguments: Kind.allCases) func theNewestVersionIsLeftAsItIs(_ kind: Kind) throws {
        let backend = try make(kind)
        let generated = try backend.generateDataKey(context: context)
        let wrapped = generated.wrapped
        let key = generated.takeKey()
        let again = try backend.rewrap(wrapped, context: context)
        #expect(again == wrapped)
        #expect(try backend.unwrap(again, context: context).revealed == key.revealed)
    }

    /// Where it cannot be done, nothing is.
    @Test(arguments: Kind.allCases) func rotationKeepsWhatWasWrapped(_ kind: Kind) throws {
        let backend = try make(kind)
        let generated = try backend.generateDataKey(context: context)
        let wrapped = generated.wrapped
        let key = generated.takeKey()
        switch kind {
        case .token:
            #expect(keyError { _ = try backend.rotate() }?.code == .refused)
            #expect(try backend.rewrap(wrapped, context: context) == wrapped)
        case .server:
            #expect(try backend.rotate() == 2)
            #expect(try backend.describe()?.version == 2)
            let newest = try backend.rewrap(wrapped, context: context)
            #expect(newest.keyID == wrapped.keyID && newest != wrapped)
            #expect(try backend.unwrap(newest, context: context).revealed == key.revealed)
        }
        #expect(try backend.unwrap(wrapped, context: context).revealed == key.revealed)
    }

    @Test(arguments: Kind.allCases) func descriptionIsOfTheCMK(_ kind: Kind) throws {
        let backend = try make(kind)
        let before = Int64(Date().timeIntervalSince1970)
        let wrapped = try backend.generateDataKey(context: context).wrapped
        let description = try #require(try backend.describe())
        #expect(description.keyID == wrapped.keyID)
        #expect(description.alias == "alias/acs/ecs")
        #expect(description.account == "1000" && description.region == "local")
        #expect(description.state == .enabled && description.version == 1)
        #expect(abs(description.created.seconds - before) < 30)
        let groups = wrapped.keyID.split(separator: "-", omittingEmptySubsequences: false)
        #expect(groups.map(\.count) == [8, 4, 4, 4, 12])
    }
}
