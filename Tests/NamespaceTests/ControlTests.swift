import ControlPlane
import Glibc
import Namespace
import Synchronization
import Testing

@Suite struct ControlTests {
    /// Writes a request to a conversation and waits for what the write is answered.
    private func send(_ text: String, to file: OpenFile) async throws -> Result<Int, FileError> {
        guard case .control(let conversation) = file else {
            throw FileError(EBADF, "not control")
        }
        return await withCheckedContinuation { continuation in
            conversation.submit(Array(text.utf8)) { continuation.resume(returning: $0) }
        }
    }

    private func reply(_ file: OpenFile) throws -> String {
        var text: [UInt8] = []
        while true {
            // Small reads: a reply is a stream, whatever offset is asked for.
            let part = try file.bytes(at: 12345, count: 7)
            guard !part.isEmpty else { return String(decoding: text, as: UTF8.self) }
            text += part
        }
    }

    @Test func aRequestIsTakenAndAnswered() async throws {
        let fixture = try Fixture()
        let file = try fixture.open("control", writes: true)
        let request = "CreateDisk DiskName=data Size=1\n"
        #expect(try await send(request, to: file).get() == request.utf8.count)
        let reply = try reply(file)
        #expect(reply.hasPrefix("{\"RequestId\"") && reply.hasSuffix("}\n"), "\(reply)")
        #expect(try self.reply(file) == "", "a reply is read once")
        #expect(try fixture.names(in: "disks") == ["data"])
    }

    @Test func aSlowRequestKeepsNoOtherWaiting() async throws {
        let fixture = try Fixture()
        let isDone = Watched(false)
        try fixture.tree.openControl { request in
            if request == Array("slow".utf8) {
                isDone.when {
                    $0
                } _: { _ in
                }
            }
            return ControlAnswer(json: "{}", errno: 0)
        }
        let (slow, quick) = (
            try fixture.open("control", writes: true), try fixture.open("control", writes: true)
        )
        async let late = send("slow", to: slow)
        #expect(try await send("quick", to: quick).get() == 5)
        isDone.withLock { $0 = true }
        #expect(try await late.get() == 4)
    }

    @Test func aRefusalFailsTheWriteAndIsRead() async throws {
        let fixture = try Fixture()
        let file = try fixture.open("control", writes: true)
        let result = try await send("AttachDisk DiskId=nothing", to: file)
        expectErrno(ENOENT) { _ = try result.get() }
        #expect(try reply(file).contains("\"Code\":\"InvalidDiskId.NotFound\""))
    }

    @Test func eachHandleReadsItsOwnRepliesAndAFreshOneTheLast() async throws {
        let fixture = try Fixture()
        let fresh = try fixture.open("control")
        #expect(try reply(fresh) == "")
        let (one, two) = (
            try fixture.open("control", writes: true), try fixture.open("control", writes: true)
        )
        _ = try await send("DescribeDisks", to: one)
        _ = try await send("DescribeSnapshots", to: two)
        #expect(try reply(one).contains("\"Disks\""))
        #expect(try reply(two).contains("\"Snapshots\""))
        #expect(try reply(try fixture.open("control")).contains("\"Snapshots\""))
        _ = try await send("DescribeDisks", to: two)
        #expect(try reply(two).contains("\"Disks\""))
    }

    @Test func aRequestIsAtMost64KiB() async throws {
        let fixture = try Fixture()
        let file = try fixture.open("control", writes: true)
        _ = try await send("DescribeDisks", to: file).get()
        let long = String(repeating: "x", count: (64 << 10) + 1)
        let result = try await send(long, to: file)
        expectErrno(EMSGSIZE) { _ = try result.get() }
        try expectRefusal("InvalidRequest.Malformed", in: file)
        try expectRefusal("InvalidRequest.Malformed", in: try fixture.open("control"))
    }

    /// A refused request has a reply of its own, one JSON object, and not the one before it.
    private func expectRefusal(_ code: String, in file: OpenFile) throws {
        let text = try reply(file)
        let object = try JSON(parsing: text.utf8)
        #expect(object["Code"]?.string == code, "\(text)")
        #expect(object["Message"]?.string?.isEmpty == false, "\(text)")
        #expect(try reply(file) == "")
    }

    @Test func anEndingMountTakesNoRequests() async throws {
        let fixture = try Fixture()
        let file = try fixture.open("control", writes: true)
        _ = try await send("DescribeDisks", to: file).get()
        fixture.tree.closeControl()
        let result = try await send("DescribeDisks", to: file)
        expectErrno(ESHUTDOWN) { _ = try result.get() }
        try expectRefusal("OperationDenied.NotMounted", in: file)
    }
}

@Suite struct StatusTests {
    @Test func theStatusNamesHandlesAndHardening() throws {
        let fixture = try Fixture()
        try fixture.attachDisk("data")
        let disk = try #require(try fixture.store.disks().first).id.text
        let file = try fixture.open("disks/data")
        let text = try fixture.text("status.json")
        for part in [
            "\"store\" : \"/store\"", "\"mountPoint\" : \"/nowhere\"", "\"pid\" : 1",
            "\"freshness\" : \"unanchored\"", "\"nonDumpable\" : \"ok\"", "\"\(disk)\" : 1",
        ] {
            #expect(text.contains(part), "\(part) in \(text)")
        }
        withExtendedLifetime(file) {}
        expectErrno(EACCES) { _ = try fixture.open("status.json", writes: true) }
    }
}
