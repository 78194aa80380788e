/// The object `lease` of a bucket: who has the store. Lines of text behind an envelope:
///
/// ```
/// sealdisk-lease 1
/// epoch 7              raised whenever the lease is taken
/// floor 5              objects of lower epochs do not count (see `S3Store+Takeover.swift`)
/// holder 0123…         the holder's cache, 32 hexadecimal digits; `none` if nobody has it
/// term 30000           milliseconds
/// renewed 1793000000   seconds since 1970 by the holder's clock: to be shown, never relied on
/// name sealdisk mount /mnt on host
/// pending yes          of the store as a whole, and only then: see `isPending`
/// ```
struct LeaseRecord: Equatable {
    var epoch: UInt64
    var floor: UInt64
    var holder: String?
    var termMilliseconds: UInt64
    var renewed: UInt64
    var name: String
    /// The holder is about to have the store as a whole and looks whether anybody has a part of it;
    /// it has done nothing yet. The epoch is that of whoever had the store last, and gave it back.
    var isPending = false

    func encoded() -> [UInt8] {
        let line = name.map { $0.isNewline ? " " : $0 }.prefix(1024)
        return Array(
            """
            sealdisk-lease 1
            epoch \(epoch)
            floor \(floor)
            holder \(holder ?? "none")
            term \(termMilliseconds)
            renewed \(renewed)
            name \(String(line))
            \(isPending ? "pending yes\n" : "")
            """.utf8)
    }

    init(
        epoch: UInt64, floor: UInt64, holder: String?, termMilliseconds: UInt64, renewed: UInt64,
        name: String, isPending: Bool = false
    ) {
        self.epoch = epoch
        self.floor = floor
        self.holder = holder
        self.termMilliseconds = termMilliseconds
        self.renewed = renewed
        self.name = name
        self.isPending = isPending
    }

    /// nil if it is none of this version.
    init?(decoding bytes: [UInt8]) {
        guard bytes.count <= 4096 else { return nil }
        var fields: [Substring: Substring] = [:]
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard let name = parts.first, fields[name] == nil else { return nil }
            fields[name] = parts.count == 2 ? parts[1] : ""
        }
        guard fields["sealdisk-lease"] == "1",
            let epoch = fields["epoch"].flatMap({ UInt64($0) }), epoch < 1 << 62,
            let floor = fields["floor"].flatMap({ UInt64($0) }), floor <= epoch,
            let term = fields["term"].flatMap({ UInt64($0) }), term <= 86_400_000,
            let renewed = fields["renewed"].flatMap({ UInt64($0) }),
            let holder = fields["holder"], let name = fields["name"]
        else { return nil }
        self.init(
            epoch: epoch, floor: floor, holder: holder == "none" ? nil : String(holder),
            termMilliseconds: term, renewed: renewed,
            name: String(name.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }),
            isPending: fields["pending"] == "yes")
    }
}
