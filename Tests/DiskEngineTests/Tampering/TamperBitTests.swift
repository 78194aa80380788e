import ChunkStore
import DiskFormat
import Testing

@testable import DiskEngine

/// One flipped bit anywhere in a chunk: what it belongs to is refused as damage that names the
/// place, or it meant nothing; everything else reads as before.
@Suite struct TamperBitTests {
    @Test(arguments: [true, false])
    func inAHeader(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let fields = Array(0..<108) + Array(480..<512)
        let zeros = Array(stride(from: 108, to: 480, by: 61)) + [512, 1024, 4095]
        let first = try #require(survey.chunks.first)
        let blocks = survey.live.filter { $0.key.chunk == first }.map(\.value).sorted()
        #expect(!blocks.isEmpty)
        for byte in fields + zeros {
            let files = try rig.tampered {
                try $0.flip(rig.chunkName(first), byte: byte, bit: byte)
            }
            let finding = rig.examine(files, "header byte \(byte)")
            #expect(finding.refused == nil)
            // The blocks of that chunk, and no others.
            #expect(finding.damaged[rig.disk]?.keys.sorted() == blocks, "header byte \(byte)")
            let message = finding.damaged[rig.disk]?.values.first?.message ?? ""
            #expect(message.contains("chunk \(first)"), "\(message)")
        }
        let last = try #require(survey.chunks.last)
        for byte in stride(from: 0, to: 512, by: 37) {
            let files = try rig.tampered { try $0.flip(rig.chunkName(last), byte: byte, bit: 7) }
            let finding = rig.examine(files, "header byte \(byte) of the last chunk")
            #expect(!finding.isClean, "header byte \(byte) of the last chunk")
        }
    }

    @Test(arguments: [true, false])
    func inASlotOfData(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let data = survey.slots.filter { $0.descriptor.kind == .data }
        #expect(data.count == 240)
        for (index, slot) in data.enumerated() where index.isMultiple(of: 9) {
            let (entry, body) = (survey.entry(slot.address), survey.body(slot.address))
            let descriptor = entry.lowerBound + index % 16
            let places = [
                descriptor, entry.lowerBound + 16 + index % 16, body.lowerBound,
                body.lowerBound + (index * 577) % 4096, body.upperBound - 1,
            ]
            for byte in places {
                let what = "byte \(byte) of slot \(slot.address)"
                let files = try rig.tampered {
                    try $0.flip(rig.chunkName(slot.address.chunk), byte: byte, bit: index)
                }
                let finding = rig.examine(files, what)
                #expect(finding.refused == nil, "\(what)")
                let damaged = finding.damaged[rig.disk] ?? [:]
                guard let block = survey.live[slot.address] else {
                    #expect(damaged.isEmpty, "\(what)")
                    continue
                }
                #expect(Array(damaged.keys) == [block], "\(what)")
                let message = damaged[block]?.message ?? ""
                for part in [
                    "disk \(rig.disk)", "byte \(block * 4096)", "chunk \(slot.address.chunk)",
                    "slot \(slot.address.slot)",
                ] {
                    #expect(message.contains(part), "\(message) does not name \(part)")
                }
            }
        }
    }

    /// Map pages and checkpoints. Those that the newest checkpoint stands on lie in the part of the
    /// log that an attach reads, so that it is refused, unless the older checkpoint can stand in.
    @Test(arguments: [true, false])
    func inASlotOfTheMap(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let slots = survey.slots.filter { [.mapPage, .checkpoint].contains($0.descriptor.kind) }
        #expect(slots.count == 10)
        for (index, slot) in slots.enumerated() {
            let (entry, body) = (survey.entry(slot.address), survey.body(slot.address))
            for byte in [
                entry.lowerBound, entry.lowerBound + 9, entry.upperBound - 1, body.lowerBound + 9,
                body.upperBound - 1,
            ] {
                let what = "byte \(byte) of \(slot.descriptor.kind) \(slot.address)"
                let files = try rig.tampered {
                    try $0.flip(rig.chunkName(slot.address.chunk), byte: byte, bit: index)
                }
                let finding = rig.examine(files, what)
                if slot.address == survey.newest.slot || slot.address == survey.newest.state.root {
                    #expect(finding.isClean, "\(what): the older checkpoint can stand in")
                } else if slot.address.chunk < survey.newest.replayFrom.chunk {
                    #expect(finding.refused == nil, "\(what): only the snapshot needs it")
                } else {
                    #expect(finding.refused?.code == .damaged, "\(what)")
                }
            }
        }
    }

    /// The body of a discard's slot, unused slots, and what fills the table up: nothing reads it.
    @Test(arguments: [true, false])
    func whereNothingIsMeant(encrypted: Bool) throws {
        let rig = try TamperRig(encrypted: encrypted)
        let survey = try TamperSurvey(rig)
        let discard = try #require(survey.slots.first { $0.descriptor.kind == .discard })
        let last = try #require(survey.slots.last).address
        let layout = try #require(survey.layouts[last.chunk])
        #expect(last.slot + 2 < layout.slotCount)
        let table = Int(layout.tableOffset) + Int(layout.slotCount) * Format.entrySize
        #expect(table < Int(layout.bodiesOffset))
        var places = [
            (discard.address.chunk, survey.body(discard.address).lowerBound + 100),
            (last.chunk, Int(layout.entryOffset(of: last.slot + 1))),
            (last.chunk, Int(layout.entryOffset(of: last.slot + 2)) + 20),
            (last.chunk, Int(layout.bodyOffset(of: last.slot + 1)) + 20),
        ]
        for chunk in survey.chunks {
            places += [(chunk, table), (chunk, Int(layout.bodiesOffset) - 1)]
        }
        for (chunk, byte) in places {
            let files = try rig.tampered { try $0.flip(rig.chunkName(chunk), byte: byte) }
            let what = "byte \(byte) of chunk \(chunk)"
            #expect(rig.examine(files, what).isClean, "\(what)")
        }
    }
}
