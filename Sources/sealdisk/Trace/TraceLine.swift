import ControlPlane

/// A line of `trace/NAME`.
enum TraceLine {
    case request(TracedRequest)
    /// So many requests before the next line are not told.
    case lost(UInt64)
    /// No more lines follow, and why.
    case end(String)

    /// nil if it is none.
    init?(_ text: String) {
        guard let json = try? JSON(parsing: text.utf8) else { return nil }
        if let lost = json["Lost"]?.unsigned {
            self = .lost(lost)
        } else if let end = json["End"]?.string {
            self = .end(end)
        } else if let request = TracedRequest(json, text) {
            self = .request(request)
        } else {
            return nil
        }
    }
}

/// A request of a disk as its trace tells it.
struct TracedRequest {
    let time: String
    let operation: String
    let offset: UInt64
    let length: UInt64
    let nanoseconds: UInt64
    let errno: Int32
    /// The line itself.
    let text: String

    fileprivate init?(_ json: JSON, _ text: String) {
        guard let time = json["Time"]?.string, let operation = json["Operation"]?.string,
            let offset = json["Offset"]?.unsigned, let length = json["Length"]?.unsigned,
            let nanoseconds = json["Nanoseconds"]?.unsigned,
            let errno = json["Errno"]?.unsigned.flatMap({ Int32(exactly: $0) })
        else { return nil }
        self.time = time
        self.operation = operation
        self.offset = offset
        self.length = length
        self.nanoseconds = nanoseconds
        self.errno = errno
        self.text = text
    }
}
