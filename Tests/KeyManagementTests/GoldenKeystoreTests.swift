import CryptoPrimitives
import Foundation
import KeyManagement
import Testing

/// A keystore of version 2 as the first program that knew it wrote it: it opens for ever. (One of
/// version 1 is in the golden stores.) Test material, known to everybody.
@Suite struct GoldenKeystoreTests {
    private let folder: TemporaryFolder
    private let keyFile: String

    private static let payload: [String] = [
        #"{"accounts":["golden"],"keys":[{"account":"golden","alias":"alias/acs/ecs","#,
        #""created":"2026-11-29T16:42:51Z","keyID":"b95a4455-b34a-41f5-9f03-52c2ffcea198","#,
        #""region":"here","sealed":"7f035580371fc52322d9d81bbf353b6e3b8b6ef115e4189f0356278751a6"#,
        #"43e377950b36fd474b6535e44b3ced891406706c47bdad97f91197d70c9d"}],"nextSlot":4,"salt":""#,
        #"4b139d37568630670b9ab669c1c11a2542123cb7e2b2061fe84a4bdc3ed859db","slots":[{"id":1,"#,
        #""root":"c647dc64095e17f29cc78eb7a0f564dbed8579e6bc8d025da8914f549688f7364348fc2a1c874e"#,
        #"c1726cba746cc53c00e542400797cb71847f7aa576","unlocker":{"keyFile":"/tmp/golden/key","#,
        #""kind":"key-file","salt":"c65b96c74a6e139f4ece972f8132cabb7518370d4c3ef03972e77495fff"#,
        #"a86d8"}},{"id":2,"root":"cb843d2f6c888f4c77f2bb7cd33b57c318a508d5aa1f62682c6ebdb66391"#,
        #"7c4a1b7161fc8938ae0c6f62eb5bc1c415ea3a773befe98d4cc3db11b155","unlocker":{"kind":""#,
        #"recovery-key","salt":"18cf8120a31e17a206382906f8b89d8a57fca54ae9c17b43611aaadeaeaa833"#,
        #"f"}},{"id":3,"root":"ead2d9a8ad7e57067031da1e0d73cb89388c3a46e781bd659ecb9785e808fc70"#,
        #"b0eb16940f8c56e12ee6c413c5eb9b2ef08ab533cc33bbabd35f60c0","unlocker":{"kind":"passph"#,
        #"rase-command","salt":"9393f2e74187edc9cec6d3da4b268ebed23f18c49cd6a8578cd92677f0be3f5"#,
        #"b","scrypt":{"n":131072,"p":1,"r":8}}}],"type":"sealdisk-keystore","version":2}"#,
    ]

    init() throws {
        folder = try TemporaryFolder()
        keyFile = try folder.write(Array("00000000000000000000000000000007".utf8), to: "key")
        mkdir(folder.path + "/conf", 0o700)
        let payload = Self.payload.joined().replacingOccurrences(of: "\"", with: "\\\"")
        let text =
            #"{"check":"49fc7c5a0d7dd3751f9abc2ecda81547","mac":""#
            + "9d9de4a2bff0c52806c2a20f18d7ef2c71aab09ca91132819670d4e5baf5614d"
            + #"","payload":""# + payload + "\"}\n"
        _ = try folder.write(Array(text.utf8), to: "conf/keystore.json")
    }

    @Test func everyUnlockerOpensIt() throws {
        let hex =
            "01b97605be0f68defa8015db8151fd7b739dc2e71900ca78d4947d627e1162e96f87c2add8d2b711a29551"
            + "064c8188de415ece07920e636a4bc3ff8dcb"
        let wrapped = WrappedKey(
            keyID: "b95a4455-b34a-41f5-9f03-52c2ffcea198", bytes: try #require(Hex.bytes(hex)))
        let context = KeyContext(
            store: "6b45f6f41a9f76a3debca59de626d1cf", lineage: "ce6fd0a9e6f524cc6c842604ed3763d7",
            epoch: 1, format: 1)
        let recovery =
            "189B-0DA2-HNWZ-8XGY-NGW4-4CQJ-G34F-X9SZ-BZ93-GKTD-M05Y-26XW-FJ9M-Y89C"
        let unlockers: [Unlocker] = [
            .keyFile(keyFile), .text(recovery), .text("correct horse battery"),
        ]
        var keys: Set<[UInt8]> = []
        for unlocker in unlockers {
            let keystore = EmbeddedKMS(
                path: folder.keystore, account: "golden", region: "here", unlocker: unlocker)
            keys.insert(try keystore.unwrap(wrapped, context: context).revealed)
        }
        #expect(keys.count == 1)
    }
}
