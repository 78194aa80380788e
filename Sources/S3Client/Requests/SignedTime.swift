/// A moment as requests and replies write it, in UTC.
struct SignedTime: Sendable, Hashable {
    /// Since 1970.
    let seconds: Int64

    init(seconds: Int64) { self.seconds = seconds }

    /// `20130524`
    var day: String { String(stamp.prefix(8)) }

    /// `20130524T000000Z`
    var stamp: String {
        let days = Int(seconds.dividedFloor(by: 86400))
        let rest = Int(seconds - Int64(days) * 86400)
        let (year, month, day) = Self.date(days)
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(year)\(two(month))\(two(day))"
            + "T\(two(rest / 3600))\(two(rest / 60 % 60))\(two(rest % 60))Z"
    }

    /// Of a header `Date`: `Fri, 24 May 2013 00:00:00 GMT`. nil for anything else.
    init?(header: String) {
        let words = header.split(separator: " ")
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        guard words.count == 6, words[5] == "GMT", let day = Int(words[1]),
            let month = months.firstIndex(of: String(words[2])), let year = Int(words[3])
        else { return nil }
        let clock = words[4].split(separator: ":").map { Int($0) ?? -1 }
        guard clock.count == 3, (0..<24).contains(clock[0]), (0..<60).contains(clock[1]),
            (0...60).contains(clock[2]), (1...31).contains(day), (1970...9999).contains(year)
        else { return nil }
        let days = Self.days(year, month + 1, day)
        self.init(seconds: Int64(days * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2]))
    }

    /// Days since 1970 to a date of the Gregorian calendar. The year begins in March, so that the
    /// day that is sometimes left out is its last; an era is 400 years, always of the same length.
    private static func date(_ days: Int) -> (Int, Int, Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let ofEra = shifted - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * ofYear + 2) / 153
        let day = ofYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + ofYear - 719_468
    }
}

extension Int64 {
    fileprivate func dividedFloor(by divisor: Int64) -> Int64 {
        self >= 0 ? self / divisor : (self - divisor + 1) / divisor
    }
}
