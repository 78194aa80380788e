import CryptoPrimitives
import KeyManagement
import Testing

/// What every provider promises, asked of each.
@Suite struct KeyProviderContractTests {
    enum Provider: CaseIterable, Sendable { case embedded, inMemory }

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func make(_ provider: Provider, activated: Bool = true) throws -> any KeyProvider {
        switch provider {
        case .inMemory: return InMemoryKMS(activated: activated)
        case .embedded:
            let kms = makeKMS(folder.keystore)
            if activated { try kms.activate() }
            return kms
        }
    }

    @Test(arguments: Provider.allCases) func keysComeBackUnwrapped(_ provider: Provider) throws {
        let kms = try make(provider)
        let first = try kms.generateDataKey(context: context, use: creating)
        let wrapped = first.wrapped
        let key = first.takeKey()
        #expect(key.count == 32)
        let unwrapped = try kms.unwrap(wrapped, context: context, use: attaching)
        #expect(unwrapped.revealed == key.revealed)

        let second = try kms.generateDataKey(context: context, use: creating)
        #expect(second.wrapped.keyID == wrapped.keyID)
        #expect(second.wrapped.bytes != wrapped.bytes)
        #expect(second.takeKey().revealed != key.revealed)
    }

    @Test(arguments: Provider.allCases) func rewrappedKeysAreTheSame(_ provider: Provider) throws {
        let kms = try make(provider)
        let made = try kms.generateDataKey(context: context, use: creating)
        let before = made.wrapped
        let after = try kms.rewrap(before, context: context, use: attaching)
        #expect(
            try kms.unwrap(after, context: context, use: attaching).revealed
                == made.takeKey().revealed)
        let other = KeyContext(store: "st-2", lineage: "l-1", epoch: 1, format: 1)
        #expect(code { _ = try kms.rewrap(before, context: other, use: attaching) } == .refused)
    }

    @Test(arguments: Provider.allCases) func otherContextsAreRefused(_ provider: Provider) throws {
        let kms = try make(provider)
        let wrapped = try kms.generateDataKey(context: context, use: creating).wrapped
        let others = [
            KeyContext(store: "st-2", lineage: "l-1", epoch: 1, format: 1),
            KeyContext(store: "st-1", lineage: "l-2", epoch: 1, format: 1),
            KeyContext(store: "st-1", lineage: "l-1", epoch: 2, format: 1),
            KeyContext(store: "st-1", lineage: "l-1", epoch: 1, format: 2),
            // The same letters, cut elsewhere.
            KeyContext(store: "st-1l", lineage: "-1", epoch: 1, format: 1),
        ]
        for other in others {
            #expect(
                code { _ = try kms.unwrap(wrapped, context: other, use: attaching) } == .refused)
        }
    }

    @Test(arguments: Provider.allCases) func everyFlippedBitIsRefused(_ provider: Provider) throws {
        let kms = try make(provider)
        let wrapped = try kms.generateDataKey(context: context, use: creating).wrapped
        for bit in 0..<wrapped.bytes.count * 8 {
            var bytes = wrapped.bytes
            bytes[bit / 8] ^= 1 << (bit % 8)
            let flipped = WrappedKey(keyID: wrapped.keyID, bytes: bytes)
            #expect(
                code { _ = try kms.unwrap(flipped, context: context, use: attaching) } == .refused)
        }
        for count in [0, 1, 13, 29, 60, 62] {
            let cut = WrappedKey(
                keyID: wrapped.keyID, bytes: Array((wrapped.bytes + [0]).prefix(count)))
            #expect(code { _ = try kms.unwrap(cut, context: context, use: attaching) } == .refused)
        }
    }

    @Test(arguments: Provider.allCases) func otherCMKsAreUnknown(_ provider: Provider) throws {
        let kms = try make(provider)
        let wrapped = try kms.generateDataKey(context: context, use: creating).wrapped
        for keyID in ["", "00000000-0000-4000-8000-000000000000", wrapped.keyID + " "] {
            let other = WrappedKey(keyID: keyID, bytes: wrapped.bytes)
            #expect(
                code { _ = try kms.unwrap(other, context: context, use: attaching) } == .unknownKey)
        }
    }

    @Test(arguments: Provider.allCases) func activationComesFirst(_ provider: Provider) throws {
        let kms = try make(provider, activated: false)
        #expect(try !kms.isActivated)
        let wrapped = WrappedKey(keyID: "k", bytes: [])
        #expect(
            code { _ = try kms.generateDataKey(context: context, use: creating) } == .notActivated)
        #expect(
            code { _ = try kms.unwrap(wrapped, context: context, use: attaching) } == .notActivated)
        #expect(code { _ = try kms.describe(use: creating) } == .notActivated)
    }

    @Test(arguments: Provider.allCases) func descriptionIsOfTheCMK(_ provider: Provider) throws {
        let kms = try make(provider)
        #expect(try kms.describe(use: creating) == nil)
        let wrapped = try kms.generateDataKey(context: context, use: creating).wrapped
        let description = try #require(try kms.describe(use: creating))
        #expect(description.keyID == wrapped.keyID)
        #expect(description.alias == "alias/acs/ecs")
        // RFC 9562: version 4 and variant 10 at their places.
        let groups = wrapped.keyID.split(separator: "-", omittingEmptySubsequences: false)
        #expect(groups.map(\.count) == [8, 4, 4, 4, 12])
        #expect(groups[2].first == "4")
        #expect("89ab".contains(try #require(groups[3].first)))
    }
}
