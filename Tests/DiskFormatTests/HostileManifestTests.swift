import Testing

@testable import DiskFormat

/// Manifests of a plain lineage can be made by anybody, and what is shown of a detached disk is not
/// verified at all: fields that make no sense are malformed, and nothing traps.
@Suite struct HostileManifestTests {
    typealias Change = (old: String, new: String)

    static func open(_ kind: ManifestHeader.Kind, _ manifest: UnopenedManifest) throws {
        let keys = try Example.keys()
        switch kind {
        case .lineage: _ = try manifest.lineage(with: keys)
        case .disk: _ = try manifest.disk(Example.disk, with: keys)
        case .snapshot: _ = try manifest.snapshot(Example.snapshot, with: keys)
        }
    }

    static func payload(_ kind: ManifestHeader.Kind) -> String {
        switch kind {
        case .lineage: Example.lineagePayload
        case .disk: Example.diskPayload
        case .snapshot: Example.snapshotPayload
        }
    }

    static func check(
        _ kind: ManifestHeader.Kind, _ change: Change, isRefused: Bool = true,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = payload(kind)
        let after = before.replacing(change.old, with: change.new, maxReplacements: 1)
        #expect(after != before, "no \(change.old)", sourceLocation: sourceLocation)
        let manifest = try Example.sealed(kind, payload: after)
        #expect(
            HeaderTests.code { try open(kind, manifest) } == (isRefused ? .malformed : nil),
            "\(change.new)", sourceLocation: sourceLocation)
    }

    @Test(arguments: [
        (#""lane":5"#, #""lane":4096"#), (#""lane":5"#, #""lane":-1"#),
        (#""lane":5"#, #""lane":5.5"#), (#""nextSequence":8"#, #""nextSequence":4294901761"#),
        (#""nextSequence":8"#, #""nextSequence":4294967296"#),
        (#""slotsPerChunk":8192"#, #""slotsPerChunk":7"#),
        (#""slotsPerChunk":8192"#, #""slotsPerChunk":1048577"#),
        (#""size":1048576"#, #""size":0"#), (#""size":1048576"#, #""size":1048577"#),
        (#""size":1048576"#, #""size":35184372092928"#),
        (#""size":1048576"#, #""size":18446744073709551615"#),
        (#""storedBlocks":200"#, #""storedBlocks":257"#),
        (#""storedBlocks":200"#, #""storedBlocks":18446744073709551615"#),
        (#""storedBlocks":0"#, #""storedBlocks":257"#),
        (#""generation":4"#, #""generation":4611686018427387904"#),
        (#""generation":4"#, #""generation":18446744073709551615"#),
        (#""slot":40"#, #""slot":1048577"#), (#""chunk":21474836487"#, #""chunk":17592186044416"#),
        (#""root":"0005"#, #""root":"005"#), (#""root":"0005"#, #""root":"00g5"#),
        ("d-00000000000000000abc", "d-00000000000000000abd"),
        ("d-00000000000000000abc", "d-../../../../etc/abc"),
        (#""id":"#, #""ID":"#), (#""attributes":{"DiskName":"a/b"}"#, #""attributes":{"a":1}"#),
        (#"{"attributes"#, #"[{"attributes"#), (#"{"attributes"#, ""),
    ])
    func disk(old: String, new: String) throws {
        try Self.check(.disk, (old, new))
    }

    /// A root says which session wrote it; nothing says so of a map without one.
    @Test func aRootHasASession() throws {
        let stamp = #""session":{"number":1,"salt":"\#(Example.saltText)"},"#
        try Self.check(.disk, (stamp, ""))
        try Self.check(.snapshot, (stamp, ""))
        try Self.check(.snapshot, (#""root":"0005000000070029""#, #""root":"0000000000000000""#))
        try Self.check(.disk, (#""number":1,"salt":"a0"#, #""number":1,"salt":""#))
    }

    /// A number of a chunk has one owner.
    @Test(arguments: [(71, 2, false), (70, 2, true), (71, 1, true), (7, 2, true)])
    func rangesOfALaneAreDisjoint(first: Int, number: Int, isRefused: Bool) throws {
        let next =
            #",{"disk":"d-00000000000000000abc","endSequence":99,"firstSequence":\#(first),"#
            + #""lane":5,"number":\#(number),"salt":"\#(Example.saltText)"}]}"#
        let counted = Example.lineagePayload.replacing(
            #""nextSession":2"#, with: #""nextSession":3"#)
        let manifest = try Example.sealed(
            .lineage, payload: String(counted.dropLast(2)) + next)
        #expect(
            HeaderTests.code { try Self.open(.lineage, manifest) }
                == (isRefused ? .malformed : nil))
    }

    /// What is parsed before anything is verified is short.
    @Test func aLongKeyIsNotParsed() throws {
        let key = #""keyID":"\#(String(repeating: "k", count: 5000))""#
        let payload = Example.lineagePayload.replacing(#""keyID":"k-1""#, with: key)
        let manifest = try Example.sealed(.lineage, payload: payload)
        #expect(
            HeaderTests.code { _ = try manifest.unverifiedKeyEnvelope(of: Example.lineage) }
                == .malformed)
    }

    /// What could not be read again is not written.
    @Test func nothingTooLargeIsWritten() throws {
        let keys = try Example.keys()
        var lineage = try Example.lineageManifest()
        lineage.nextSession = Format.maximumCount
        #expect(HeaderTests.code { _ = try lineage.sealed(version: 1, with: keys) } == .limit)
        var disk = Example.diskManifest
        #expect(
            HeaderTests.code { _ = try disk.sealed(version: Format.maximumCount, with: keys) }
                == .limit)
        disk.attributes = ["a": String(repeating: "a", count: Format.maximumManifestSize)]
        #expect(HeaderTests.code { _ = try disk.sealed(version: 1, with: keys) } == .limit)
    }

    @Test func aDiskHasTwoCheckpointsAtMost() throws {
        let reference =
            #"{"generation":4,"replayFrom":{"chunk":21474836487,"slot":40},"#
            + #""slot":"000500000007002a","state":\#(Example.stateText)}"#
        try Self.check(.disk, (reference, "\(reference),\(reference)"), isRefused: false)
        try Self.check(.disk, (reference, "\(reference),\(reference),\(reference)"))
    }

    @Test(arguments: [
        (#""salt":"a0"#, #""salt":""#), (#""salt":"a0"#, #""salt":"A0"#),
        (#""salt":"a0"#, #""salt":"0"#), ("s-00000000000000000xyz", "s-00000000000000000xyy"),
        (#""size":1048576"#, #""size":4095"#), (#""storedBlocks":200"#, #""storedBlocks":-1"#),
        (#""disk":"d-"#, #""disk":"s-"#), (#""created":1700000002"#, #""created":1e400"#),
    ])
    func snapshot(old: String, new: String) throws {
        try Self.check(.snapshot, (old, new))
    }

    @Test(arguments: [
        (#""nextLane":6"#, #""nextLane":4097"#), (#""nextLane":6"#, #""nextLane":65536"#),
        (#""nextSession":2"#, #""nextSession":4611686018427387904"#),
        (#""firstSequence":7"#, #""firstSequence":0"#),
        (#""firstSequence":7"#, #""firstSequence":4294901761"#),
        (#""lane":5"#, #""lane":4096"#), (#""lane":2"#, #""lane":4096"#),
        (#""salt":"a0"#, #""salt":""#), (#""suite":1"#, #""suite":2"#),
        (#""slot":8192"#, #""slot":1048577"#), (#""wrappedKey":"c0"#, #""wrappedKey":"C0"#),
        (#""epoch":3"#, #""epoch":4294967296"#), (#""keyCheck":"c3"#, #""keyCheck":"c"#),
        (#""number":1"#, #""number":18446744073709551615"#),
        (#""nextSequence":9"#, #""nextSequence":4294967295"#),
        (#""endSequence":71"#, #""endSequence":7"#), (#""endSequence":71"#, #""endSequence":0"#),
        (#""endSequence":71"#, #""endSequence":4294901761"#),
        (#""nextLane":6"#, #""nextLane":5"#), (#""lane":5"#, #""lane":0"#),
    ])
    func lineage(old: String, new: String) throws {
        try Self.check(.lineage, (old, new))
    }

    @Test func whatIsAtTheBoundOpens() throws {
        try Self.check(.disk, (#""lane":5"#, #""lane":4095"#), isRefused: false)
        try Self.check(.disk, (#""size":1048576"#, #""size":35184372088832"#), isRefused: false)
        try Self.check(.disk, (#""storedBlocks":200"#, #""storedBlocks":256"#), isRefused: false)
        try Self.check(.lineage, (#""nextLane":6"#, #""nextLane":4096"#), isRefused: false)
        try Self.check(.lineage, (#","slot":8192"#, #","slot":1048576"#), isRefused: false)
    }

    @Test(arguments: [
        ("", FormatError.Code.malformed), ("\n\n\n", .malformed), ("{}\n{}\n{}\n", .malformed),
        (
            "sealdisk-manifest 2 disk \(Example.disk) \(Example.lineageText) 1\n{}\nx\n",
            .unsupported
        ),
        ("sealdisk-manifest 1 image \(Example.disk) \(Example.lineageText) 1\n{}\nx\n", .malformed),
        ("sealdisk-manifest 1 disk \(Example.disk) 00 1\n{}\nhmac-sha-256 00\n", .malformed),
        (
            "sealdisk-manifest 1 disk \(Example.disk) \(Example.lineageText) -1\n{}\n"
                + "hmac-sha-256 00\n", .malformed
        ),
        (
            "sealdisk-manifest 1 disk \(Example.disk) \(Example.lineageText) 1\n{}\n"
                + "hmac-sha-256 00\n", .notAuthentic
        ),
        (
            "sealdisk-manifest 1 disk \(Example.disk) \(Example.lineageText) 1\n{}\n"
                + "hmac-sha-256 \n", .notAuthentic
        ),
        (
            "sealdisk-manifest 1 disk \(Example.disk) \(Example.lineageText)"
                + " 4611686018427387904\n{}\nhmac-sha-256 00\n", .malformed
        ),
    ])
    func notAManifest(text: String, code: FormatError.Code) {
        let manifest = UnopenedManifest(bytes: Array(text.utf8))
        #expect(HeaderTests.code { try Self.open(.disk, manifest) } == code)
    }

    @Test func bytesOfChanceNeverTrap() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("bytesOfChanceNeverTrap: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        for kind in [ManifestHeader.Kind.lineage, .disk, .snapshot] {
            let payload = Array(Self.payload(kind).utf8)
            for _ in 0..<500 {
                var changed = payload
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    // Printable, or the JSON would hardly ever parse.
                    let place = Int.random(in: 0..<changed.count, using: &generator)
                    if payload[place] == UInt8(ascii: "\n") { continue }
                    changed[place] = UInt8.random(in: 0x20...0x7e, using: &generator)
                }
                let text = String(decoding: changed, as: UTF8.self)
                try? Self.open(kind, Example.sealed(kind, payload: text))
                let noise = UnopenedManifest(bytes: generator.bytes(200))
                #expect(throws: FormatError.self) { try Self.open(kind, noise) }
            }
        }
    }

    @Test func deepJSONIsRefused() throws {
        let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
        let manifest = try Example.sealed(.disk, payload: deep)
        #expect(HeaderTests.code { try Self.open(.disk, manifest) } == .malformed)
    }
}
