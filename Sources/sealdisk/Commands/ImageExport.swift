import ArgumentParser
import ControlPlane
import Glibc

extension ImageCommand {
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a plain image into files that virtual machines start from.",
            discussion: """
                One file a snapshot, in a folder: raw, or what else qemu-img (package qemu-utils) \
                writes. Images of encrypted snapshots are refused: copy the files instead.

                EXAMPLE:
                  sealdisk image export gold /backup --format qcow2
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @OptionGroup var telling: ProgressOptions

        @Argument(help: "The image.")
        var image: String

        @Argument(help: "The folder to write to.", completion: .directory)
        var folder: String

        @Option(
            help: "The format: raw, qcow2, vmdk, vdi or vhdx.",
            completion: .list(["raw", "qcow2", "vmdk", "vdi", "vhdx"]))
        var format = "raw"

        private static let formats = ["raw", "qcow2", "vmdk", "vdi", "vhdx"]

        func run() throws {
            guard Self.formats.contains(format) else {
                throw ValidationError(
                    "--format takes one of \(Self.formats.joined(separator: ", ")).")
            }
            let client = try Client(options)
            let mount = try client.demandMount(for: "exporting")
            let folder = try AbsolutePath.existing(folder, as: "folder")
            let answer = try client.ask(Request("ExportImage", ["ImageId": image]))
            let files = answer.fields["Files"]?.array ?? []
            let name = answer.fields.text("ImageName")
            let base = name.isEmpty ? answer.fields.text("ImageId") : name
            var made: [String] = []
            for file in files {
                let part = files.count == 1 ? "" : "-\(file.text("Device"))"
                let target = "\(folder)/\(base)\(part).\(format)"
                try convert("\(mount.mountPoint)/\(file.text("Path"))", to: target)
                made.append(target)
            }
            if options.json {
                JSONOutput.show(.object(["Files": .array(made.map { .string($0) })]))
            } else {
                for path in made { print(path) }
            }
        }

        /// Of a line of qemu-img's, `    (12.34/100%)`.
        private static func percent(_ line: Substring) -> Double? {
            guard let open = line.lastIndex(of: "("), let slash = line[open...].firstIndex(of: "/")
            else { return nil }
            return Double(line[open..<slash].dropFirst())
        }

        /// Writes one file whole or not at all; qemu-img shows how far it is.
        private func convert(_ source: String, to target: String) throws(Failure) {
            guard access(target, F_OK) != 0 else {
                throw Failure(
                    .exists, "There is a file \(target) already.",
                    advice: "Remove it, or name another folder.")
            }
            let part = target + ".part"
            var size = stat()
            let all = stat(source, &size) == 0 ? UInt64(size.st_size) : 0
            let progress = Progress(of: all, "Exporting \(target)", telling.progress)
            defer { progress.end() }
            Interruption.watch()
            let status = ChildProcess.runUntilInterrupted(
                ["qemu-img", "convert", "-p"]
                    + ["-f", "raw", "-O", format, "-S", "4k", "--", source, part]
            ) { line in
                if let percent = Self.percent(line) {
                    progress.reached(UInt64(Double(all) * percent / 100))
                }
            }
            progress.end()
            guard status == 0, rename(part, target) == 0 else {
                unlink(part)
                throw Failure(
                    .failed,
                    status == nil || status == 127
                        ? "qemu-img could not be started."
                        : "qemu-img could not write \(target) from \(source).",
                    advice: status == nil || status == 127
                        ? "Install it: package qemu-utils."
                        : "See what it said above; the file must fit its file system.")
            }
        }
    }
}
