import CCurl

/// The headers of one request, wiped when they are done with: one of them may be a secret.
///
/// Not `Sendable`: one thread fills it and sends it.
public final class HTTPHeaders {
    private(set) var list: UnsafeMutablePointer<curl_slist>?

    /// Has one at once that takes away what libcurl would add: it would wait a second for a server
    /// to say that it may go on.
    public init() { list = curl_slist_append(nil, "Expect:") }

    deinit { sealdisk_curl_wipe_headers(list) }

    /// False, adding nothing, if the value is not one line of plain text: it would end the header
    /// and begin another. An empty value takes a header away that would be sent otherwise.
    @discardableResult
    public func add(_ name: String, _ value: String) -> Bool {
        var value = value
        return value.withUTF8 { add(name, secret: UnsafeRawBufferPointer($0)) }
    }

    /// The same with a value that leaves no copy behind but the one in here.
    @discardableResult
    public func add(_ name: String, secret value: UnsafeRawBufferPointer) -> Bool {
        guard value.allSatisfy({ (0x20...0x7e).contains($0) }) else { return false }
        let name = Array("\(name):\(value.isEmpty ? "" : " ")".utf8)
        return withUnsafeTemporaryAllocation(byteCount: name.count + value.count + 1, alignment: 1)
        { line in
            line.copyBytes(from: name)
            UnsafeMutableRawBufferPointer(rebasing: line[name.count...]).copyBytes(from: value)
            line[line.count - 1] = 0
            defer { line.initializeMemory(as: UInt8.self, repeating: 0) }
            // The line ends with a zero, and has a byte at least.
            let text = line.baseAddress!.assumingMemoryBound(to: CChar.self)
            guard let longer = curl_slist_append(list, text) else { return false }
            list = longer
            return true
        }
    }
}
