import DiskEngine
import DiskFormat
import Testing

@testable import ControlPlane

/// Every action on a disk in every state that the disk can be in.
@Suite struct DiskStatusTests {
    enum State: String, CaseIterable {
        case available
        /// At an instance, and its file opens.
        case attached
        /// At an instance, and somebody has its file open.
        case open
        /// At an instance since before the last mount ended; its file does not open.
        case closed

        var status: String { self == .available ? "Available" : "In_use" }
    }

    struct Row: CustomTestStringConvertible {
        let request: String
        /// By state; "": it is carried out.
        let codes: [String]
        /// What the disk's status is after success, by state; nil: what it was.
        var after: String?

        var testDescription: String { request }

        init(_ request: String, _ codes: [String], after: String? = nil) {
            (self.request, self.codes, self.after) = (request, codes, after)
        }
    }

    private static let status = "IncorrectDiskStatus"
    private static let inUse = "IncorrectDiskStatus.Open"

    /// available, attached, open, closed.
    static let rows = [
        Row("AttachDisk DiskId=disk InstanceId=web", ["", status, status, ""], after: "In_use"),
        Row("AttachDisk DiskId=disk", ["", status, status, ""], after: "In_use"),
        Row("AttachDisk DiskId=disk InstanceId=other", ["", status, status, status]),
        Row("DetachDisk DiskId=disk", [status, "", inUse, ""], after: "Available"),
        Row("DetachDisk DiskId=disk InstanceId=web", [status, "", inUse, ""], after: "Available"),
        Row("DetachDisk DiskId=disk InstanceId=other", [status, status, status, status]),
        Row("DeleteDisk DiskId=disk", ["", status, status, status]),
        Row("ModifyDiskAttribute DiskId=disk Description=x", ["", "", "", ""]),
        Row("ModifyDiskAttribute DiskId=disk DiskName=x", ["", "", "", ""]),
        Row("ResizeDisk DiskId=disk NewSize=2MiB", ["", "", "", ""]),
        Row("ResizeDisk DiskId=disk NewSize=1MiB", Array(repeating: small, count: 4)),
        Row("ResetDisk DiskId=disk SnapshotId=s", ["", "", inUse, ""]),
        Row("ReInitDisk DiskId=disk", ["", "", inUse, ""]),
        Row("CreateSnapshot DiskId=disk", ["", "", "", ""]),
        Row("DescribeDisks DiskId=disk", ["", "", "", ""]),
        Row("DescribeDiskUsage DiskId=disk", [notOpen, "", "", notOpen]),
        Row("ScrubDisk DiskId=disk", [notOpen, "", "", notOpen]),
        Row("ApplyAutoSnapshotPolicy autoSnapshotPolicyId=p diskIds=disk", ["", "", "", ""]),
        Row("CancelAutoSnapshotPolicy diskIds=disk", ["", "", "", ""]),
        Row("CreateDisk SnapshotId=s", ["", "", "", ""]),
        Row("DeleteSnapshot SnapshotId=s", ["", "", "", ""]),
        Row("DeleteInstance InstanceId=web", ["", "", inUse, ""], after: "Available"),
    ]
    private static let small = "InvalidDiskSize.TooSmall"
    private static let notOpen = "InvalidOperation.KeyNotLoaded"

    @Test(arguments: rows, [false, true]) func everyStateOfADisk(
        row: Row, encrypted: Bool
    ) throws {
        for (state, code) in zip(State.allCases, row.codes) {
            let fixture = try disk(in: state, encrypted: encrypted, row.request)
            let id = try fixture.plane.disk("disk").summary.id
            let before = try fixture.describe(id.text)
            #expect(before["Status"]?.string == state.status, "\(state)")
            let reply = fixture.plane.perform(row.request)
            #expect((reply.refusal?.code ?? "") == code, "\(state): \(reply.json)")
            if row.request.hasPrefix("DeleteDisk"), code.isEmpty {
                try fixture.refused("DescribeDisks DiskId=disk", "InvalidDiskId.NotFound")
                continue
            }
            let after = try fixture.describe(id.text)
            let expected = code.isEmpty ? row.after ?? shown(row, state) : state.status
            #expect(after["Status"]?.string == expected, "\(state): \(reply.json)")
            if !code.isEmpty { #expect(after == before, "\(state)") }
            fixture.mount.state.withLock { $0.openDisks = [] }
            #expect(fixture.mount.state.withLock { $0.blocked.isEmpty }, "\(state)")
            try fixture.store.close()
        }
    }

    private func shown(_ row: Row, _ state: State) -> String {
        row.request.hasPrefix("AttachDisk") ? "In_use" : state.status
    }

    /// `disk`, encrypted or not; with a snapshot `s` of it if the request wants one.
    private func disk(in state: State, encrypted: Bool, _ request: String) throws -> Fixture {
        var fixture = try Fixture()
        _ = try fixture.disk("disk", encrypted: encrypted)
        for name in ["web", "other"] { try fixture.done("CreateInstance InstanceName=\(name)") }
        try fixture.done(
            "CreateAutoSnapshotPolicy autoSnapshotPolicyName=p timePoints=1 repeatWeekdays=1")
        if request.contains("SnapshotId=s") {
            try fixture.done("CreateSnapshot DiskId=disk SnapshotName=s")
        }
        guard state != .available else { return fixture }
        try fixture.done("AttachDisk DiskId=disk InstanceId=web")
        let id = try fixture.plane.disk("disk").summary.id
        if state == .open { _ = fixture.mount.state.withLock { $0.openDisks.insert(id) } }
        if state == .closed { fixture = try fixture.reopened() }
        return fixture
    }
}
