import DiskFormat

// Maps are verified in turn, each but for what one that was verified before it has; so what many
// share is read once, and damage in it is told once, with all whom it concerns.
extension LineageCheck {
    /// Verifies what a map leads to. `base` was verified before.
    func scrub(_ map: CheckedMap, base: MapReader?) throws {
        let end = map.size / UInt64(Format.blockSize)
        var next: BlockNumber? = 0
        var base = base
        while let start = next, start < end {
            let piece: Scrub.Piece
            do {
                piece = try Scrub(view: map.reader, base: base).piece(of: start..<end, limit: 4096)
            } catch let failure as OlderMapFailure {
                try gauge.checkGoesOn()
                // What the base does not tell counts as new.
                guard base != nil else { throw failure.cause }
                base = nil
                continue
            }
            try gauge.checkGoesOn()
            report.verifiedBytes += piece.verified * UInt64(Format.blockSize)
            for bad in piece.bad {
                for part in map.parts(of: bad) { tell(part, of: map) }
            }
            next = piece.next
        }
    }

    private func tell(_ bad: Scrub.Bad, of map: CheckedMap) {
        let count = bad.page == nil ? UInt64(bad.blocks.count) : 1
        let places = (0..<count).map { BlockAddress(rawValue: bad.address.rawValue + $0) }
        guard !places.allSatisfy(told.contains) else { return }
        told.formUnion(places)
        let isOrigin = if case .origin = map.subject { true } else { false }
        var finding = CheckFinding(
            isOrigin ? .warning : .damage, bad.page == nil ? .data : .map,
            file: path(bad.address.chunk), bad.error.message)
        let block = UInt64(Format.blockSize)
        finding.offset = bad.blocks.lowerBound * block
        finding.length = min(map.size, bad.blocks.upperBound * block) - finding.offset
        switch map.subject {
        case .snapshot(let id): finding.snapshot = id
        case .disk(let id): finding.disk = id
        case .origin(let id):
            finding.disk = id
            finding.cause = "as it was created: \(finding.cause)"
        }
        affected.append((report.findings.count, bad))
        report.findings.append(finding)
    }

    /// Names for each finding whom it concerns besides: once all maps are known.
    func nameOthers() throws {
        for (index, bad) in affected {
            let finding = report.findings[index]
            for map in maps where map.leads(to: bad) {
                switch map.subject {
                case .snapshot(let id) where id != finding.snapshot:
                    report.findings[index].snapshots.append(id)
                case .disk(let id) where id != finding.disk:
                    report.findings[index].disks.append(id)
                default: break
                }
            }
            report.findings[index].snapshots.sort()
            report.findings[index].disks.sort()
            try gauge.checkGoesOn()
        }
    }
}
