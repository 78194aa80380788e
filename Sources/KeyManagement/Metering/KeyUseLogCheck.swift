import CryptoPrimitives

/// What the verification of a key-use log found.
public struct KeyUseLogReport: Sendable, Hashable {
    public struct Damage: Sendable, Hashable {
        public let file: String
        /// Counted from 1 in its file; nil: behind its last line.
        public let line: Int?
        public let text: String
    }

    /// How many damages are told one by one.
    public static let mostTold = 100

    /// Lines looked at.
    public internal(set) var lines = 0
    /// Of those, what an older version wrote before the chain began.
    public internal(set) var unchained = 0
    /// The chain's numbers; nil if no line is chained.
    public internal(set) var first: UInt64?
    public internal(set) var last: UInt64?
    /// The hash of the last line, in hexadecimal: kept elsewhere, it vouches for all before it.
    public internal(set) var head: String?
    /// The first `mostTold`.
    public internal(set) var damages: [Damage] = []
    public internal(set) var damageCount = 0
    /// What is no damage and yet to be known.
    public internal(set) var notes: [String] = []
}

/// Follows the chain line by line, through files in the order they were written.
struct KeyUseLogCheck {
    private(set) var report = KeyUseLogReport()
    private var last: (number: UInt64, hashes: [[UInt8]])?
    private var file = ""
    private var line = 0

    /// Reads a whole file of the log. Throws `.io`; a file that is not there is told by `false`.
    mutating func read(_ path: String) throws(KeyError) -> Bool {
        guard var lines = try KeyUseLogLines(path) else { return false }
        file = path
        line = 0
        while let next = try lines.next() {
            line += 1
            if next.isWhole {
                report.lines += 1
                try take(next.bytes)
            } else {
                report.notes.append(
                    "\(path): behind line \(line - 1) stands the beginning of one: it was never"
                        + " durable, and no key was handed out for it")
            }
        }
        return true
    }

    private mutating func take(_ bytes: ArraySlice<UInt8>) throws(KeyError) {
        guard let chained = try ChainedLine(bytes) else {
            if last == nil {
                report.unchained += 1
            } else {
                damage("is not chained, and stands behind lines that are: inserted or changed")
            }
            return
        }
        guard let link = chained.link, chained.isIntact else {
            damage("does not have its own hash: it was changed")
            let number = last.map { $0.number + 1 } ?? chained.link?.number ?? 1
            if report.first == nil { report.first = number }
            // What follows it may be intact, whether its content was changed or its hash.
            last = (number, [chained.hash, chained.computed])
            return
        }
        if let last {
            if link.number > last.number + 1 {
                damage("has number \(link.number) behind \(last.number): lines before it are gone")
            } else if link.number <= last.number {
                // The chain goes on from where it was.
                return damage(
                    "has number \(link.number) behind \(last.number): inserted, repeated or moved")
            } else if !last.hashes.contains(link.previous.bytes) {
                damage("does not follow the line before it: one of the two was exchanged")
            }
        } else {
            begin(link)
        }
        last = (link.number, [chained.hash])
    }

    private mutating func begin(_ link: ChainedLine.Link) {
        report.first = link.number
        if link.number == 1 {
            guard link.previous == KeyUseLogHead.start.sha256 else {
                return damage("is the first of the chain and refers to one before it")
            }
        } else if report.unchained > 0 {
            damage(
                "has number \(link.number), and the lines before it are not chained: changed or"
                    + " exchanged")
        } else {
            report.notes.append(
                "\(file) begins with number \(link.number): what came before is in files that were"
                    + " rotated away, and was not looked at")
        }
    }

    /// At the end of the present log: whether it ends where its head says.
    mutating func end(at head: KeyUseLogHead?) {
        line = -1
        guard let head else {
            if last != nil {
                report.notes.append("there is no head: a cut at the end cannot be told")
            }
            return
        }
        guard let last else {
            if report.unchained > 0 {
                damage("the chain's \(head.number) lines are gone")
            } else if head.number > 0 {
                report.notes.append(
                    "the log is empty behind number \(head.number): rotated, or removed")
            }
            return
        }
        if head.number > last.number {
            damage("the log ends with number \(last.number), and \(head.number) was written: cut")
        } else if head.number == last.number, !last.hashes.contains(head.sha256.bytes) {
            damage("the last line is not the one that was written")
        }
    }

    func finished() -> KeyUseLogReport {
        var report = report
        report.last = last?.number
        report.head = last?.hashes.first.map { Hex.text($0) }
        return report
    }

    private mutating func damage(_ text: String) {
        report.damageCount += 1
        guard report.damages.count < KeyUseLogReport.mostTold else { return }
        report.damages.append(.init(file: file, line: line < 0 ? nil : line, text: text))
    }
}
