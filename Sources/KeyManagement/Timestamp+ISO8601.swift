/// The text of a timestamp is `2026-11-23T22:00:00Z`: ISO 8601, UTC, whole seconds.
///
/// The calendar is the proleptic Gregorian one, computed by counting days in eras of 400 years
/// that begin on 1 March (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
extension Timestamp: LosslessStringConvertible {
    private static let daysPerEra: Int64 = 146_097
    /// Days from 0000-03-01 to 1970-01-01.
    private static let daysToEpoch: Int64 = 719_468

    /// Years outside 0000 to 9999 print with as many digits as they need (and do not parse back).
    public var description: String {
        let rest = seconds % 86_400
        let day = seconds / 86_400 - (rest < 0 ? 1 : 0)
        let second = rest < 0 ? rest + 86_400 : rest
        let (year, month, dayOfMonth) = Self.civil(day: day)
        return Self.padded(year, 4) + "-" + Self.padded(month, 2) + "-"
            + Self.padded(dayOfMonth, 2) + "T" + Self.padded(second / 3600, 2) + ":"
            + Self.padded(second / 60 % 60, 2) + ":" + Self.padded(second % 60, 2) + "Z"
    }

    /// nil unless `description` has exactly the form above and is a moment that exists (a leap
    /// second does not: it has no number of its own).
    public init?(_ description: String) {
        let text = Array(description.utf8)
        let form = Array("0000-00-00T00:00:00Z".utf8)
        guard text.count == form.count else { return nil }
        for (byte, expected) in zip(text, form) {
            let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            guard expected == UInt8(ascii: "0") ? isDigit : byte == expected else { return nil }
        }
        func number(_ range: Range<Int>) -> Int64 {
            text[range].reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
        }
        let (year, month, day) = (number(0..<4), number(5..<7), number(8..<10))
        let (hour, minute, second) = (number(11..<13), number(14..<16), number(17..<19))
        guard (1...12).contains(month), hour < 24, minute < 60, second < 60 else { return nil }
        let days = Self.day(year: year, month: month, dayOfMonth: day)
        // A day the month does not have comes back as another date.
        guard Self.civil(day: days) == (year, month, day) else { return nil }
        self.init(seconds: days * 86_400 + hour * 3600 + minute * 60 + second)
    }

    /// Days since 1970-01-01 of a date.
    private static func day(year: Int64, month: Int64, dayOfMonth: Int64) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + dayOfMonth - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * daysPerEra + dayOfEra - daysToEpoch
    }

    /// The date of a day since 1970-01-01.
    private static func civil(day: Int64) -> (year: Int64, month: Int64, dayOfMonth: Int64) {
        let shifted = day + daysToEpoch
        let era = (shifted >= 0 ? shifted : shifted - (daysPerEra - 1)) / daysPerEra
        let dayOfEra = shifted - era * daysPerEra
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / (daysPerEra - 1)) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number.magnitude)
        let zeros = String(repeating: "0", count: max(0, width - digits.count))
        return (number < 0 ? "-" : "") + zeros + digits
    }
}

extension Timestamp: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let timestamp = Timestamp(text) else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "a time reads like 2026-11-23T22:00:00Z"))
        }
        self = timestamp
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
