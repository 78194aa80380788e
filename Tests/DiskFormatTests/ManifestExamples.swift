import CryptoPrimitives

@testable import DiskFormat

/// Manifests with fixed inputs, and the payloads they have.
extension Example {
    static func lineageManifest(_ suite: Suite = .aes256GCM) throws -> LineageManifest {
        let check = HexBytes(try keys(suite).keyCheck)
        let isPlain = suite == .plain
        var manifest = LineageManifest(
            key: LineageManifest.KeyEnvelope(
                suite: suite, epoch: isPlain ? 0 : 3, keyID: isPlain ? nil : "k-1",
                wrappedKey: isPlain ? nil : HexBytes([0xc0, 0xff, 0xee]), keyCheck: check),
            created: 1_700_000_000)
        manifest.sessions = [
            .init(
                number: 1, disk: disk, lane: 5, firstSequence: 7, endSequence: 71,
                salt: HexBytes(salt), previousEnd: LogPosition(chunk: before, slot: 8192))
        ]
        manifest.nextSession = 2
        manifest.nextLane = 6
        manifest.freeLanes = [.init(lane: 2, nextSequence: 9)]
        return manifest
    }

    static let state = DiskState(
        root: BlockAddress(rawValue: 0x0005_0000_0007_0029), size: 1 << 20, storedBlocks: 200,
        session: SessionStamp(number: 1, salt: HexBytes(salt)))

    static var diskManifest: DiskManifest {
        var manifest = DiskManifest(
            id: disk, created: 1_700_000_001, lane: 5, slotsPerChunk: 8192,
            origin: .empty(size: 1 << 20), sourceSnapshot: nil,
            nextSequence: 8, attributes: ["DiskName": "a/b"])
        manifest.checkpoints = [
            CheckpointReference(
                generation: 4, slot: BlockAddress(rawValue: 0x0005_0000_0007_002a), state: state,
                replayFrom: LogPosition(chunk: chunk, slot: 40))
        ]
        return manifest
    }

    static let snapshotManifest = SnapshotManifest(
        id: snapshot, disk: disk, created: 1_700_000_002, state: state, salt: HexBytes(salt),
        attributes: [:])

    static let lineageText = "000102030405060708090a0b0c0d0e0f"
    static let saltText = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
    static let stateText =
        #"{"root":"0005000000070029","session":{"number":1,"salt":"\#(saltText)"},"#
        + #""size":1048576,"storedBlocks":200}"#

    static let lineagePayload =
        #"{"epoch":3,"#
        + #""keyCheck":"c36519d0e03b58bc55236fedf3b5fd70fb71eceeabc340db05331fcb3c1584ef","#
        + #""keyID":"k-1","suite":1,"wrappedKey":"c0ffee"}"# + "\n"
        + #"{"created":1700000000,"freeLanes":[{"lane":2,"nextSequence":9}],"nextLane":6,"#
        + #""nextSession":2,"sessions":[{"disk":"d-00000000000000000abc","endSequence":71,"#
        + #""firstSequence":7,"lane":5,"number":1,"#
        + #""previousEnd":{"chunk":21474836486,"slot":8192},"salt":"\#(saltText)"}]}"#

    static let diskPayload =
        #"{"attributes":{"DiskName":"a/b"},"checkpoints":[{"generation":4,"replayFrom":"#
        + #"{"chunk":21474836487,"slot":40},"slot":"000500000007002a","state":\#(stateText)}],"#
        + #""created":1700000001,"id":"d-00000000000000000abc","lane":5,"nextSequence":8,"#
        + #""origin":{"root":"0000000000000000","size":1048576,"storedBlocks":0},"#
        + #""slotsPerChunk":8192}"#

    static let snapshotPayload =
        #"{"attributes":{},"created":1700000002,"disk":"d-00000000000000000abc","#
        + #""id":"s-00000000000000000xyz","salt":"\#(saltText)","state":\#(stateText)}"#

    /// A manifest of that kind with any payload, authentic under the example's keys.
    static func sealed(
        _ kind: ManifestHeader.Kind, payload: String, version: UInt64 = 1,
        suite: Suite = .aes256GCM
    ) throws -> UnopenedManifest {
        let id =
            switch kind {
            case .lineage: lineageText
            case .disk: disk.text
            case .snapshot: snapshot.text
            }
        let header = ManifestHeader(kind: kind, id: id, lineage: lineage, version: version)
        return UnopenedManifest(
            bytes: try header.seal(
                payload.utf8.split(separator: 10).map(Array.init), with: keys(suite)
            ).bytes)
    }
}
