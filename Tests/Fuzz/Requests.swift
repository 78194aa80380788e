@testable import ControlPlane

extension FuzzTarget {
    private static let requests = [
        "CreateDisk DiskName=data Size=20 Encrypted=true Description='a \"b\" c'",
        "Action=CreateDisk&DiskName=data&Size=64MiB&Encrypted=true&Description=a+%C3%A4",
        #"{"Action":"DescribeDisks","DiskIds":"[\"d-1\",\"d-2\"]","PageSize":20}"#,
        "DescribeSnapshots SnapshotIds=s-1,s-2 PageNumber=1 RegionId=r",
    ].map { Array($0.utf8) }

    /// What is written to `control`: words, a query, JSON.
    static let request = FuzzTarget("request") {
        requests
    } run: { bytes in
        let request = try Request(parsing: bytes)
        let again = Array(request.json.utf8)
        // Escapes may make the JSON form longer than a request may be.
        if again.count > Request.Limit.bytes { return }
        requireSame(request) { try Request(parsing: again) }
    }

    /// A request's parameters, read in all the ways that actions read them.
    static let arguments = FuzzTarget("arguments") {
        requests
    } run: { bytes in
        let request = try Request(parsing: bytes)
        let action = try Action.named(request.action)
        let arguments = try Arguments(request, of: action, region: "r")
        _ = arguments.canonical
        for name in action.parameters {
            _ = try? arguments.required(name)
            _ = try? arguments.flag(name)
            _ = try? arguments.integer(name, in: 1...100)
            _ = try? arguments.size(name)
            _ = try? arguments.list(name)
        }
        _ = try? arguments.description()
        _ = try? arguments.clientToken()
    }

    static let json = FuzzTarget("json") {
        [
            #"{"a":[1,-2.5e+10,0,true,false,null,"x\u00e4\ud83d\ude00\n"],"b":{"c":""}}"#,
            #"[[[[[]]]],{}]"#, #""\"\\\/\b\f\n\r\t""#,
        ].map { Array($0.utf8) }
    } run: { bytes in
        let value = try JSON(parsing: bytes)
        requireSame(value) { try JSON(parsing: value.text.utf8) }
    }

    static let byteSize = FuzzTarget("byte-size") {
        ["20", "64MiB", "1.5TiB", "4096B", "4k"].map { Array($0.utf8) }
    } run: { bytes in
        let size = try ByteSize.diskSize(String(decoding: bytes, as: UTF8.self))
        requireSame(size) { try ByteSize.diskSize("\(size)B") }
        let shown = ByteSize.text(size).filter { $0 != " " }
        // What is shown may be rounded to less than a block.
        guard let read = try? ByteSize.diskSize(shown) else { return }
        require(read.distance(to: size).magnitude <= size / 10, "\(size) is shown as \(shown)")
    }
}
