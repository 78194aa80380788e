import Testing

@testable import ControlPlane

/// Every action in the three forms of a request: the same reply, and the same is done.
@Suite struct FormsTests {
    /// A request that is carried out, and one that is refused.
    static let requests: [(done: String, refused: String)] =
        DryRunTests.requests.map { ($0.fitting, refusals[$0.action] ?? "\($0) Nonsense=1") } + [
            ("DiscardSnapshotImport SnapshotId=IMPORT", "DiscardSnapshotImport SnapshotId=none"),
            ("DescribeKey", "DescribeKey KeyId=another"),
            ("ListKeys", "ListKeys PageSize=0"),
            ("DescribeStore", "DescribeStore RegionId=another"),
            ("DescribeDisks Status=In_use PageSize=1", "DescribeDisks Status='Some of them'"),
            ("DescribeSnapshots DiskId=data", "DescribeSnapshots DiskId=none SnapshotId=none"),
            ("DescribeSnapshotChanges SnapshotId=s", "DescribeSnapshotChanges SnapshotId=none"),
            ("DescribeDiskUsage DiskId=data", "DescribeDiskUsage DiskId=sealed"),
            ("DescribeSnapshotsUsage", "DescribeSnapshotsUsage SnapshotId=none"),
            ("ScrubDisk DiskId=data MaxBytes=4096", "ScrubDisk DiskId=data MaxBytes=1"),
            ("ScrubSnapshot SnapshotId=s", "ScrubSnapshot SnapshotId=none"),
            ("DescribeInstances InstanceName=we*", "DescribeInstances InstanceId=none"),
            ("DescribeImages", "DescribeImages ImageId=none"),
            (
                "DescribeAutoSnapshotPolicyEx AutoSnapshotPolicyId=p",
                "DescribeAutoSnapshotPolicyEx AutoSnapshotPolicyId=none"
            ),
        ]

    /// Refusals of the action's own, where one tells more than that of an unknown parameter.
    private static let refusals = [
        "CreateDisk": #"CreateDisk Size=1 DiskName="a b""#,
        "DeleteDisk": "DeleteDisk DiskId=data", "AttachDisk": "AttachDisk DiskId=data",
        "DetachDisk": "DetachDisk DiskId=free", "ResizeDisk": "ResizeDisk DiskId=data NewSize=4k",
        "ResetDisk": "ResetDisk DiskId=free SnapshotId=s", "ReInitDisk": "ReInitDisk DiskId=data",
        "DeleteSnapshot": "DeleteSnapshot SnapshotId=t",
        "CreateInstance": "CreateInstance InstanceName=web",
        "CreateImage": "CreateImage ImageName=gold SnapshotId=s",
        "ModifyDiskAttribute": "ModifyDiskAttribute DiskId=data DiskName=free",
        "ExportImage": "ExportImage ImageId=gold", "CopyImage": "CopyImage ImageId=gold",
    ]

    private static let scene = Result { try Scene() }

    @Test func everyActionIsThere() {
        // What rule 6 forbids is never carried out.
        let forbidden = Set(Action.onServiceKey.map(\.name))
        #expect(
            Set(Self.requests.map(\.done.action))
                == Set(Action.all.map(\.name)).subtracting(forbidden))
        #expect(Self.requests.allSatisfy { $0.done.action == $0.refused.action })
    }

    @Test(arguments: requests) func allFormsAreOne(done: String, refused: String) throws {
        for (text, succeeds) in [(done, true), (refused, false)] {
            let scene = try Self.scene.get()
            var replies: [(form: String, reply: String, state: SceneState)] = []
            let words = text.replacing("IMPORT", with: scene.importing)
            let request = try Request(parsing: Array(words.utf8))
            for form in [words, Self.query(request), request.json, " \n\(words)\r\n"] {
                let fixture = try scene.open()
                let reply = fixture.plane.perform(form)
                #expect(reply.isSuccess == succeeds, "\(form): \(reply.json)")
                replies.append((form, Self.shown(reply, scene), try scene.live(fixture)))
                try fixture.store.close()
            }
            for other in replies.dropFirst() {
                #expect(other.reply == replies[0].reply, "\(other.form)")
                #expect(other.state == replies[0].state, "\(other.form)")
            }
        }
    }

    /// The request as a query: every byte that needs it, and some that do not, percent-encoded.
    private static func query(_ request: Request) -> String {
        let pairs = [("Action", request.action)] + request.parameters.map { ($0.name, $0.value) }
        return pairs.map { name, value in
            let text = value.utf8.map { byte in
                let character = Character(Unicode.Scalar(byte))
                if character == " " { return "+" }
                let isPlain = character.isASCII && character.isLetter
                let digits = String(byte, radix: 16)
                return isPlain ? String(character) : byte < 16 ? "%0\(digits)" : "%\(digits)"
            }.joined()
            return "\(name)=\(text)"
        }.joined(separator: "&")
    }

    /// A reply without what differs from one to the next: its id, new resources' ids, counters.
    private static func shown(_ reply: Reply, _ scene: Scene) -> String {
        let text = reply.json.replacing(/"RequestId":"[^"]*"/, with: "")
            .replacing(/"(Usage|Capacity|Engine)":\{.*/, with: "")
        return SceneState(text, known: scene.ids).description
    }
}

extension String {
    /// A request of DryRunTests, whose scene calls some things otherwise.
    fileprivate var fitting: String {
        switch action {
        case "ModifySnapshotAttribute": "\(action) SnapshotId=s SnapshotName=first"
        case "CopyImage", "ExportImage", "ModifyImageSharePermission":
            replacing("ImageId=gold", with: "ImageId=open")
        default: self
        }
    }

    fileprivate var action: String { String(prefix { $0 != " " }) }
}
