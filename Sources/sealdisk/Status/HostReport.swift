import ControlPlane
import Glibc
import KeyManagement

/// What `sealdisk status` shows.
struct HostReport {
    let stores: [StoreState]
    let jobs: [JSON]
    /// Where the customer master key is held, and how it opens, in words.
    let keys: String
    let warnings: [String]

    init(besides path: String?, keys source: KeySource) {
        stores = StoreState.all(besides: path)
        jobs = Job.all()
        keys = Self.describe(source)
        var warnings = stores.flatMap(\.warnings)
        if let note = KeystoreNote.text(of: source), !stores.isEmpty { warnings.append(note) }
        self.warnings = warnings
    }

    private static func describe(_ source: KeySource) -> String {
        guard source.keyService == nil else {
            let keys = try? source.service(account: Home.account, region: Home.region)
            return keys?.place ?? "a key service that is not understood"
        }
        let keystore = source.keystoreService(account: Home.account, region: Home.region)
        do throws(KeyError) {
            guard let opening = try keystore.opening() else {
                return "keystore \(keystore.path) is not there"
            }
            return "keystore \(keystore.path), opens \(opening.words)"
        } catch {
            return "keystore \(keystore.path): \(error.message)"
        }
    }

    // MARK: For people

    func text(isColoured: Bool) -> String {
        var text = ""
        for store in stores { text += Self.text(of: store, isColoured) + "\n" }
        if stores.isEmpty {
            text += "No store is mounted. Mount one: sealdisk mount STORE DIR\n\n"
        }
        text += Colour.bold.paint("KEYS", if: isColoured) + "\n  \(Table.printable(keys))\n"
        if !jobs.isEmpty {
            text += "\n" + Colour.bold.paint("JOBS", if: isColoured) + "\n"
            let table = ResourceList.jobs.table(jobs, nil).text(width: nil, withTitles: false)
            text += Self.indented(table)
        }
        if !warnings.isEmpty {
            text += "\n" + Colour.red.paint("WARNINGS", if: isColoured) + "\n"
            for warning in warnings { text += "  \(Table.printable(warning))\n" }
        }
        return text
    }

    private static func text(of store: StoreState, _ isColoured: Bool) -> String {
        var details = Details()
        if let mountPoint = store.mountPoint {
            let process = store.process.map { ", process \($0)" } ?? ""
            let state = store.service == .served ? "" : ", \(store.service.rawValue)"
            details.add("  mounted at", mountPoint + process + state)
        } else {
            details.add("  mounted at", "nowhere")
        }
        if let space = store.space {
            // A bucket does not say how much it takes.
            let isKnown = space.total < 1 << 60
            details.add(
                "  space",
                isKnown
                    ? "\(ByteSize.text(space.available)) of \(ByteSize.text(space.total)) free"
                    : space.available > 0 ? "no limit known" : "as much waits as may")
        }
        let attached = store.disks.filter { $0.flag("Open") }
        if store.service == .served {
            let stored = store.disks.reduce(0) { $0 + $1.count("StoredBytes") }
            details.add(
                "  disks",
                "\(store.disks.count), \(attached.count) attached, \(ByteSize.text(stored)) stored;"
                    + " \(store.snapshots) snapshot\(store.snapshots == 1 ? "" : "s")")
        }
        var text = Colour.bold.paint("STORE \(Table.printable(store.path))", if: isColoured) + "\n"
        text += details.text
        guard let mountPoint = store.mountPoint, !attached.isEmpty else { return text }
        let rows = attached.map { disk in
            [
                disk.text("Name"), disk.size("SizeBytes"), disk.size("StoredBytes"),
                disk.flag("Encrypted") ? "encrypted" : "plain",
                DiskTable.status(of: disk),
                DiskPlaces.text(of: "\(mountPoint)/disks/\(disk.text("Name"))"),
            ]
        }
        let table = Table(
            [
                .left("DISK", mayShrink: true), .right("SIZE"), .right("STORED"), .left("KIND"),
                .left("STATUS"), .left("WHERE", mayShrink: true),
            ], rows: rows)
        return text + indented(table.text(width: nil, isColoured: isColoured))
    }

    private static func indented(_ text: String) -> String {
        text.split(separator: "\n").map { "  \($0)\n" }.joined()
    }

    // MARK: For programs

    /// Documented in CommandLine.md.
    var json: JSON {
        .object([
            "Stores": .array(stores.map(Self.json)), "Keys": .string(keys),
            "Jobs": .array(jobs), "Warnings": .array(warnings.map { .string($0) }),
        ])
    }

    private static func json(of store: StoreState) -> JSON {
        var fields: JSONObject = [
            "Store": .string(store.path), "Service": .string(store.service.rawValue),
            "SnapshotCount": .integer(store.snapshots),
        ]
        fields.append("MountPoint", store.mountPoint.map { .string($0) })
        fields.append("Process", store.process.map { .integer(UInt64($0)) })
        fields.append("TotalBytes", store.space.map { .integer($0.total) })
        fields.append("AvailableBytes", store.space.map { .integer($0.available) })
        fields.append("Disks", .array(store.disks))
        return .object(fields)
    }
}

/// Where a disk's file is used on this host.
enum DiskPlaces {
    /// `/dev/loop0 on /data`, from the kernel's lists: nothing is looked into. Empty if nowhere.
    static func text(of file: String) -> String {
        let mounts = MountInfo.current()
        return HostText.names(in: "/sys/block").filter { $0.hasPrefix("loop") }.filter {
            HostText.line("/sys/block/\($0)/loop/backing_file") == file
        }.map { loop in
            let points = mounts.filter {
                $0.source == "/dev/\(loop)" || $0.source.hasPrefix("/dev/\(loop)p")
            }.map(\.mountPoint)
            return "/dev/\(loop)" + (points.isEmpty ? "" : " on \(points.joined(separator: ", "))")
        }.joined(separator: "; ")
    }
}
