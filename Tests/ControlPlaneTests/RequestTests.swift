import Testing

@testable import ControlPlane

@Suite struct RequestTests {
    private func parse(_ text: String) throws -> Request { try Request(parsing: Array(text.utf8)) }

    private func code(_ text: String) -> String? { code(Array(text.utf8)) }

    private func code(_ bytes: [UInt8]) -> String? {
        do {
            _ = try Request(parsing: bytes)
            return nil
        } catch {
            return error.code
        }
    }

    @Test func theThreeFormsMeanTheSame() throws {
        let words = try parse("CreateDisk DiskName=data Size=20 Encrypted=true\n")
        let query = try parse("Action=CreateDisk&DiskName=data&Size=20&Encrypted=true")
        let json = try parse(
            #" {"Action":"CreateDisk","DiskName":"data","Size":20,"Encrypted":true} "#)
        let typed = Request(
            "CreateDisk",
            ["DiskName": "data", "Size": "20", "SnapshotId": nil, "Encrypted": "true"])
        #expect(words == query)
        #expect(words == json)
        #expect(words == typed)
        #expect(try parse(typed.json) == typed)
    }

    @Test(arguments: [
        (#"A Key='two words'"#, "two words"),
        (#"A Key="two words""#, "two words"),
        (#"A Key=two\ words"#, "two words"),
        (#"A 'Key=two words'"#, "two words"),
        (#"A Key="a \" and a \\ and a \n""#, #"a " and a \ and a \n"#),
        (#"A Key='a " and a \'"#, #"a " and a \"#),
        (#"A Key=a=b"#, "a=b"),
        (#"A Key="#, ""),
        ("Action=A&Key=two+words%21%c3%A9", "two words!é"),
        ("Key=1%2B1&Action=A", "1+1"),
        (#"{"Action":"A","Key":"\u00e9\ud83d\ude00\/"}"#, "é😀/"),
        ("{\n \"Action\": \"A\",\r\n \"Key\": -1.5e3\n}\n", "-1.5e3"),
    ]) func valuesAreRead(text: String, value: String) throws {
        let request = try parse(text)
        #expect(request.action == "A")
        #expect(request.parameters.map(\.name) == ["Key"])
        #expect(request.parameters.map(\.value) == [value])
    }

    @Test(arguments: [
        "", " \n", "A Key", "A Key='open", "A Key=\\", "A =1", "A K-y=1",
        "CreateDisk Size=1\nCreateDisk Size=2", "Action=A&Key", "Action=A&Key=%2",
        "Action=A&Key=%zz", "Action=A&Key=%ff", "Action=A Key=1", "{", "{}}", "{\"Action\"}",
        "{\"Action\":\"A\"}{\"Action\":\"B\"}", "{\"Action\":\"A\",\"K\":[1]}",
        "{\"Action\":\"A\",\"K\":null}", "{\"Action\":\"A\",\"K\":{}}",
        "{\"Action\":\"A\",\"Action\":\"B\"}", "{\"Action\":\"A\",\"K\":01}",
        "{\"Action\":\"A\",\"K\":\"\\ud800\"}", "{\"Action\":\"A\",\"K\":1.}",
        "A K=1\u{0}",
    ]) func whatCannotBeReadIsSaidSo(text: String) {
        #expect(code(text) == "InvalidRequest.Malformed")
    }

    @Test func everyFormNeedsAnAction() {
        #expect(code("{}") == "MissingParameter.Action")
        #expect(code("Size=1&DiskName=a") == "MissingParameter.Action")
    }

    @Test func parametersStandOnce() {
        #expect(code("A Size=1 Size=2") == "InvalidParameter.Size")
        #expect(code("Action=A&Size=1&Size=1") == "InvalidParameter.Size")
        #expect(code("A Action=B") == "InvalidParameter.Action")
    }

    @Test func limitsAreKept() throws {
        let most = (0..<Request.Limit.parameters).map { "k\($0)=v" }.joined(separator: " ")
        #expect(try parse("A \(most)").parameters.count == Request.Limit.parameters)
        #expect(code("A \(most) one=more") == "InvalidRequest.Malformed")
        let value = String(repeating: "v", count: Request.Limit.value)
        #expect(code("A k=\(value)") == nil)
        #expect(code("A k=\(value)v") == "InvalidParameter.k")
        let blanks = [UInt8](repeating: UInt8(ascii: " "), count: Request.Limit.bytes - 1)
        #expect(code(Array("A".utf8) + blanks) == nil)
        #expect(code(Array("AB".utf8) + blanks) == "InvalidRequest.Malformed")
        let deep = String(repeating: "[", count: 60_000)
        #expect(code("{\"Action\":\"A\",\"k\":\(deep)") == "InvalidRequest.Malformed")
    }

    @Test func controlCharactersAreRefused() {
        #expect(code("{\"Action\":\"A\",\"k\":\"\\u001b[31m\"}") == "InvalidParameter.k")
        #expect(code("Action=A&k=a%0Ab") == "InvalidParameter.k")
        #expect(code("A k=\u{9b}31m") == "InvalidParameter.k")
    }

    @Test func hostileBytesAreAnsweredOneByOne() throws {
        let fixture = try Fixture()
        let seed = UInt64.random(in: 0...UInt64.max)
        print("RequestTests seed \(seed)")
        var random = SplitMix(state: seed)
        let samples = [
            "CreateDisk DiskName='a b' Size=20 Encrypted=true",
            "Action=CreateDisk&DiskName=data&Size=20GiB&SnapshotId=s-%41",
            "{\"Action\":\"DescribeDisks\",\"DiskIds\":\"[\\\"a\\\"]\",\"PageSize\":1}",
        ].map { Array($0.utf8) }
        for _ in 0..<3000 {
            var bytes = samples[Int.random(in: 0..<samples.count, using: &random)]
            for _ in 0...Int.random(in: 0..<8, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: if bytes.count > 1 { bytes.remove(at: place) }
                }
            }
            let reply = fixture.plane.perform(bytes)
            let json = try JSON(parsing: reply.json.utf8)
            #expect(json["RequestId"]?.string?.utf8.count == 36)
            #expect((json["Code"] == nil) == reply.isSuccess)
            #expect(!reply.json.contains("\n"))
        }
    }
}

/// A generator that one seed replays (S. Vigna's SplitMix64).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
