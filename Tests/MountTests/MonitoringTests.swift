import Foundation
import Testing

extension MountSuite {
    /// `metrics` and `status.json` of a real mount, and what is built on them.
    @Suite struct MonitoringTests {
        private static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

        private static func text(_ path: String) throws -> String {
            try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
        }

        /// Prometheus's own checker, which Tests/run provides.
        private static func promtool(_ arguments: String...) throws -> Command.Outcome {
            let environment = ProcessInfo.processInfo.environment
            let path =
                environment["SEALDISK_PROMTOOL"]
                ?? (environment["HOME"] ?? "") + "/.cache/sealdisk/promtool/usr/bin/promtool"
            try #require(
                access(path, X_OK) == 0, "promtool is missing: Tests/run provides it")
            return try Command.run("sh", ["-c", arguments.joined(separator: " "), path])
        }

        @Test func whatWasDoneIsWhatWasCounted() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.attachDisk("other", mebibytes: 16)
            let file = rig.file("data")
            try Command.succeed(
                "dd", "if=/dev/zero", "of=" + file, "bs=16k", "count=50", "oflag=direct",
                "conv=notrunc,fsync", "status=none")
            try Command.succeed(
                "dd", "if=" + file, "of=/dev/null", "bs=4k", "count=30", "iflag=direct",
                "status=none")
            try OpenedFile(file, O_RDWR).allocate(.punch, 0, 65_536)
            let metrics = try Metrics(
                String(contentsOfFile: rig.mountPoint + "/metrics", encoding: .utf8))
            let disk = try #require(
                metrics.samples.first { $0.labels["name"] == "data" }?.labels["disk"])
            for (operation, count, bytes) in [
                ("write", 50, 819_200), ("read", 30, 122_880), ("flush", 1, 0),
                ("discard", 1, 65_536), ("write_zeroes", 0, 0),
            ] {
                let labels = ["disk": disk, "operation": operation]
                #expect(metrics.value("sealdisk_disk_requests_total", labels) == Double(count))
                #expect(metrics.value("sealdisk_disk_request_bytes_total", labels) == Double(bytes))
                #expect(metrics.value("sealdisk_disk_request_errors_total", labels) == 0)
                #expect(metrics.value("sealdisk_disk_requests_in_flight", labels) == 0)
                #expect(
                    metrics.value("sealdisk_disk_request_seconds_count", labels) == Double(count))
            }
            // 200 blocks, and nothing but these so far.
            #expect(metrics.value("sealdisk_log_slots_total", ["disk": disk]) ?? 0 >= 200)
            #expect(metrics.value("sealdisk_disks_attached", [:]) == 2)
            let calls = ["operation": "GenerateDataKey", "outcome": "ok"]
            #expect(metrics.value("sealdisk_kms_calls_total", calls) == 2)
            try rig.unmount()
        }

        @Test func documentsRulesAndDashboardFitWhatAMountTells() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            let file = try OpenedFile(rig.file("data"), O_RDWR)
            try file.write([1], at: 0)
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            let path = rig.mountPoint + "/metrics"
            let check = try Self.promtool("\"$0\" check metrics <", path)
            #expect(check.status == 0 && check.output + check.errors == "", "\(check)")
            let metrics = try Metrics(String(contentsOfFile: path, encoding: .utf8))
            try compareTable(with: metrics)

            let folder = Self.root.path + "/Mount/monitoring/"
            for command in ["check rules sealdisk.rules.yml", "test rules sealdisk.rules.test.yml"]
            {
                let outcome = try Self.promtool("cd", folder, "&& \"$0\"", command)
                #expect(outcome.status == 0, "\(outcome)")
            }
            for name in ["sealdisk.rules.yml", "sealdisk-dashboard.json"] {
                let used = Set(
                    try Self.text("Mount/monitoring/" + name).matches(of: #/sealdisk_\w+/#)
                        .map { String($0.output) })
                #expect(used.count > 10)
                let unknown = used.filter { name in !metrics.samples.contains { $0.name == name } }
                #expect(unknown.isEmpty, "\(name)")
            }
            let dashboard = try JSONSerialization.jsonObject(
                with: Data(try Self.text("Mount/monitoring/sealdisk-dashboard.json").utf8))
            #expect(((dashboard as? [String: Any])?["panels"] as? [Any])?.count ?? 0 > 10)
            // With a handle open, which the status counts.
            try compareStatus(of: rig)
            withExtendedLifetime(file) {}
        }

        /// Each metric is in the tables, with its type and labels, and no other is.
        private func compareTable(with metrics: Metrics) throws {
            let page = try Self.text("Sources/sealdisk/Documentation.docc/Observability.md")
            let rows = page.matches(of: #/(?m)^\| `(sealdisk_\w+)` \| (\w+) \| ([^|]*)\|/#)
            var documented: [String: String] = [:]
            for row in rows {
                let labels = row.3.matches(of: #/`(\w+)`/#).map { String($0.1) }.sorted()
                documented[String(row.1)] = "\(row.2) \(labels)"
            }
            var real: [String: String] = [:]
            for (name, type) in metrics.types {
                let parts = ["", "_bucket", "_sum", "_count"].map { name + $0 }
                let labels = Set(
                    metrics.samples.filter {
                        type == "histogram" ? parts.contains($0.name) : $0.name == name
                    }
                    .flatMap { $0.labels.keys }
                ).subtracting(["store", "le"])
                real[name] = "\(type) \(labels.sorted())"
            }
            // Those of a store elsewhere are `BucketSessionTests`' matter.
            let here = documented.filter { !$0.key.hasPrefix("sealdisk_backend_") }
            #expect(documented.count == rows.count && here == real)
        }

        /// Each field of a real status is in the table, and each of the table that is always there
        /// is in the status.
        private func compareStatus(of rig: Rig) throws {
            let page = try Self.text("Sources/sealdisk/Documentation.docc/Observability.md")
            let rows = page.components(separatedBy: "## The fields of status.json")[1]
                .matches(of: #/(?m)^\| `([^`]+)` \| (\w+)(\??) \|/#)
            let documented = Set(rows.map { String($0.1) })
            let always = Set(rows.filter { $0.3.isEmpty }.map { String($0.1) })
            let data = try Data(contentsOf: URL(fileURLWithPath: rig.mountPoint + "/status.json"))
            let real = fields(
                of: try JSONSerialization.jsonObject(with: data), documented, below: "")
            #expect(real.subtracting(documented).isEmpty)
            // A healthy store has none of these.
            #expect(always.subtracting(real) == ["engine.damage.*"])
        }

        private func fields(of value: Any, _ known: Set<String>, below path: String) -> Set<String>
        {
            if let object = value as? [String: Any] {
                return Set(
                    object.flatMap { key, value in
                        let any = path + "*"
                        return fields(
                            of: value, known, below: (known.contains(any) ? any : path + key) + ".")
                    })
            }
            if let list = value as? [Any] {
                let place = path.dropLast() + "[]."
                return Set(list.flatMap { fields(of: $0, known, below: String(place)) })
            }
            return [String(path.dropLast())]
        }
    }
}

/// The text format, read as strictly as these tests need.
struct Metrics {
    struct Sample {
        let name: String
        let labels: [String: String]
        let value: Double
    }

    private(set) var samples: [Sample] = []
    private(set) var types: [String: String] = [:]

    init(_ text: String) throws {
        for line in text.split(separator: "\n") {
            if let type = line.wholeMatch(of: #/# TYPE (\w+) (\w+)/#) {
                types[String(type.1)] = String(type.2)
            }
            if line.hasPrefix("#") { continue }
            let sample = try #require(line.wholeMatch(of: #/(\w+)\{(.*)\} (\S+)/#), "\(line)")
            let labels = sample.2.matches(of: #/(\w+)="((?:[^"\\]|\\.)*)"/#)
            samples.append(
                Sample(
                    name: String(sample.1),
                    labels: Dictionary(
                        uniqueKeysWithValues: labels.map { (String($0.1), String($0.2)) }),
                    value: try #require(Double(sample.3), "\(line)")))
        }
    }

    /// Of the one sample that has these labels, besides others.
    func value(_ name: String, _ labels: [String: String]) -> Double? {
        let found = samples.filter { sample in
            sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }
        return found.count == 1 ? found[0].value : nil
    }
}
