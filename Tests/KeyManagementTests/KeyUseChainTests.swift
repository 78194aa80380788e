import CryptoPrimitives
import Foundation
import KeyManagement
import Testing

/// The log's chain of hashes, and what its verification tells.
@Suite struct KeyUseChainTests {
    private let folder: TemporaryFolder
    private let kms: MeteredKeystore
    private let log: String

    init() throws {
        folder = try TemporaryFolder()
        log = MeteredKeys.logPath(keystore: folder.keystore)
        kms = makeKMS(folder.keystore)
        try kms.activate()
    }

    private var head: String { folder.path + "/conf/key-use.head" }

    private func use(_ count: Int) throws {
        for number in 0..<count {
            _ = try kms.describe(use: KeyUse(action: "AttachDisk", resource: "d-\(number)"))
        }
    }

    private func lines() throws -> [String] {
        String(decoding: try contents(log), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func put(_ lines: [String]...) throws {
        let text = lines.joined().map { $0 + "\n" }.joined()
        try Data(text.utf8).write(to: URL(fileURLWithPath: log))
        chmod(log, 0o600)
    }

    private func verify() throws -> KeyUseLogReport { try kms.metered.verifyLog() }

    private func damagedLines() throws -> [Int?] { try verify().damages.map(\.line) }

    @Test func aWholeLogIsWhole() throws {
        try use(5)
        let report = try verify()
        #expect(report.damageCount == 0 && report.notes.isEmpty)
        #expect(report.lines == 5 && report.unchained == 0)
        #expect(report.first == 1 && report.last == 5)
        #expect(try lines()[4].hasSuffix("\"sha256\":\"\(try #require(report.head))\"}"))
        #expect(mode(head) == 0o600)
    }

    /// The definition, computed apart from the program's own code of it.
    @Test func theHashIsOfTheLineBeforeIt() throws {
        try use(2)
        let parts = try lines().map { try #require($0.firstRange(of: ",\"sha256\":\"")) }
        let texts = try lines()
        var previous = String(repeating: "0", count: 64)
        for (text, range) in zip(texts, parts) {
            let content = text[..<range.lowerBound]
            #expect(content.contains("\"previous\":\"\(previous)\""))
            previous = Hex.text(try SHA256.hash(Array(content.utf8)))
            #expect(text[range.upperBound...] == previous + "\"}")
        }
    }

    @Test func everyRemovedLineIsTold() throws {
        try use(6)
        let whole = try lines()
        for index in 0..<5 {
            var cut = whole
            cut.remove(at: index)
            try put(cut)
            // Without the first, the log looks like one that was rotated.
            if index == 0 {
                #expect(try verify().first == 2 && verify().notes.count == 1)
            } else {
                #expect(try damagedLines() == [index + 1], "without line \(index + 1)")
            }
        }
        try put(Array(whole.dropLast()))
        #expect(try damagedLines() == [nil])
        try put(whole)
        #expect(try damagedLines().isEmpty)
    }

    @Test func everyFlippedBitIsTold() throws {
        try use(3)
        let whole = try contents(log)
        let firstEnd = try #require(whole.firstIndex(of: UInt8(ascii: "\n")))
        let second = whole[(firstEnd + 1)...]
        let secondEnd = try #require(second.firstIndex(of: UInt8(ascii: "\n")))
        for position in firstEnd + 1..<secondEnd {
            for bit in 0..<8 {
                var bytes = whole
                bytes[position] ^= 1 << bit
                try Data(bytes).write(to: URL(fileURLWithPath: log))
                #expect(try verify().damages.first?.line == 2, "byte \(position), bit \(bit)")
            }
        }
    }

    @Test func insertedMovedAndForgedLinesAreTold() throws {
        try use(5)
        let whole = try lines()
        try put(Array(whole[..<3]), [whole[0]], Array(whole[3...]))
        #expect(try damagedLines() == [4])
        try put(Array(whole[..<3]), [#"{"action":"AttachDisk"}"#], Array(whole[3...]))
        #expect(try damagedLines() == [4])
        try put([whole[0], whole[2], whole[1], whole[3], whole[4]])
        #expect(try damagedLines() == [2, 3])
        let bare = try #require(whole[0].firstRange(of: ",\"sha256\":"))
        try put([String(whole[0][..<bare.lowerBound]) + "}"], Array(whole[1...]))
        #expect(try damagedLines() == [2])
        // Another log's whole line, with the right number.
        let other = makeKMS(folder.path + "/other/keystore.json")
        for _ in 0..<3 { try other.note(creating) }
        let foreign = String(
            decoding: try contents(folder.path + "/other/key-use.log"), as: UTF8.self
        ).split(separator: "\n").map(String.init)
        try put(Array(whole[..<2]), [foreign[2]], Array(whole[3...]))
        #expect(try damagedLines() == [3, 4])
        // What is appended afterwards hides nothing.
        try put(Array(whole[..<3]))
        try use(1)
        #expect(try damagedLines() == [4])
    }

    @Test func oldLinesAreNoDamage() throws {
        let old = #"{"account":"1000","action":"AttachDisk","time":"2026-11-22T08:00:00Z"}"#
        try put([old, old])
        #expect(try verify().unchained == 2 && verify().damageCount == 0)
        try use(2)
        let report = try verify()
        #expect(report.unchained == 2 && report.damageCount == 0)
        #expect(report.lines == 4 && report.first == 1 && report.last == 2)
        try put([old, old])
        #expect(try damagedLines() == [nil])
    }

    @Test func aNewFileGoesOnFromTheOldOne() throws {
        try use(3)
        rename(log, log + ".2")
        try use(2)
        rename(log, log + ".1")
        #expect(try verify().damageCount == 0)
        try use(1)
        let report = try verify()
        #expect(report.damageCount == 0 && report.notes.isEmpty)
        #expect(report.first == 1 && report.last == 6)
        // The present file alone, by its name.
        let alone = try kms.metered.verifyLog([log])
        #expect(alone.damageCount == 0 && alone.first == 6 && alone.notes.count == 1)
        unlink(log + ".1")
        rename(log + ".2", log + ".1")
        #expect(try verify().damages.map(\.file) == [log])
        #expect(code { _ = try kms.metered.verifyLog([log + ".9"]) } == .io)
        var read = 0
        try kms.metered.readLog { _ in read += 1 }
        #expect(read == 4)
    }

    /// A process that died: within a line, or between the line and the head.
    @Test func crashesAreNoDamage() throws {
        try use(2)
        let early = try contents(head)
        try use(1)
        let handle = try #require(FileHandle(forWritingAtPath: log))
        handle.seekToEndOfFile()
        handle.write(Data("{\"account\":\"10".utf8))
        try handle.close()
        #expect(try verify().damageCount == 0 && verify().notes.count == 1)
        try Data(early).write(to: URL(fileURLWithPath: head))
        chmod(head, 0o600)
        #expect(try verify().damageCount == 0)
        try use(2)
        let report = try verify()
        #expect(report.damageCount == 0 && report.notes.isEmpty && report.last == 5)
        // Without the head, the log itself says how it goes on.
        unlink(head)
        #expect(try verify().damageCount == 0 && verify().notes.count == 1)
        try Data("{".utf8).write(to: URL(fileURLWithPath: head))
        chmod(head, 0o600)
        try use(1)
        #expect(try verify().damageCount == 0 && verify().last == 6)
    }

    /// Whoever verifies a copy changes nothing in it, and needs nothing beside the file.
    @Test func aCopyIsVerified() throws {
        try use(3)
        let before = try contents(head)
        chmod(head, 0o400)
        #expect(try verify().damageCount == 0)
        #expect(try contents(head) == before)
        let copy = try folder.write(try contents(log), to: "copy.log")
        let stranger = MeteredKeys(InMemoryKMS(), folder: folder.path + "/nowhere")
        #expect(try stranger.verifyLog([copy]).last == 3)
        #expect(try stranger.verifyLog().lines == 0)
        #expect(access(folder.path + "/nowhere", F_OK) != 0)
    }

    @Test func severalWritersKeepOneChain() async throws {
        let path = folder.keystore
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let kms = makeKMS(path)
                    for _ in 0..<25 { try kms.note(creating) }
                }
            }
            try await group.waitForAll()
        }
        async let first: Void = writes(path)
        async let second: Void = writes(path)
        _ = await (first, second)
        let report = try verify()
        #expect(report.damageCount == 0 && report.last == 140)
    }

    private func writes(_ path: String) async {
        await #expect(processExitsWith: .success) { [path] in
            for _ in 0..<20 { try makeKMS(path).note(creating) }
        }
    }

    /// Rotation while others write: no line is lost, and the chain goes on.
    @Test func rotationBetweenWritesKeepsTheChain() async throws {
        let path = folder.keystore
        let log = log
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    let kms = makeKMS(path)
                    for _ in 0..<50 { try kms.note(creating) }
                }
            }
            group.addTask {
                for number in (1...5).reversed() {
                    usleep(2000)
                    rename(log, "\(log).\(number)")
                }
            }
            try await group.waitForAll()
        }
        let rotated = (1...5).reversed().map { "\(log).\($0)" } + [log]
        let report = try kms.metered.verifyLog(rotated.filter { access($0, F_OK) == 0 })
        #expect(report.damageCount == 0 && report.lines == 100)
    }
}
