import ArgumentParser
import ControlPlane
import Glibc

extension SnapshotCommand {
    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Bring in a snapshot that `snapshot export` wrote.",
            discussion: """
                Into any store whose KMS unwraps its key; it keeps that key, its id and its time. \
                Every byte is verified before the snapshot shows. One that was exported with \
                --from needs that earlier snapshot in the store. What an interrupted import \
                brought is kept: the same command goes on, and --discard gives it up.

                EXAMPLES:
                  sealdisk snapshot import /backup/monday.sealed --name monday
                  ssh host cat monday.sealed | sealdisk snapshot import -
                  sealdisk snapshot import --discard s-k7wev932
                """)

        @OptionGroup(title: "COMMON OPTIONS") var options: GlobalOptions

        @OptionGroup var telling: ProgressOptions

        @Argument(help: "The file, or - for standard input.", completion: .file())
        var file: String?

        @Option(help: "A name for the snapshot; its id if none is given.")
        var name: String?

        @Option(
            help: ArgumentHelp(
                "Give up an import of this snapshot that was not finished.",
                valueName: "snapshot"))
        var discard: String?

        @OptionGroup var confirmation: Confirmation

        func validate() throws {
            guard (file == nil) != (discard == nil), discard == nil || name == nil else {
                throw ValidationError("Give a file to import, or --discard SNAPSHOT.")
            }
        }

        func run() throws {
            let client = try Client(options)
            if let discard {
                try confirmation.confirm { () throws(Failure) in
                    "Give up the import of snapshot \(discard)? What it has brought so far is"
                        + " deleted, and has to be brought anew."
                }
                try client.perform(Request("DiscardSnapshotImport", ["SnapshotId": discard]))
                if !options.json { print("Gave up the import of snapshot \(discard).") }
                return
            }
            if let name { try Self.demandFree(name, client) }
            let input = try SealedInput(file ?? "-")
            let answer = try client.importSnapshot(input, telling.progress)
            if let name { try Self.rename(answer, to: name, client) }
            try Self.warnOfRest(of: input)
            guard !options.json else { return JSONOutput.show(answer.text) }
            let id = answer.fields.text("SnapshotId")
            print(
                "Imported snapshot \(name.map { "\($0) (\(id))" } ?? id) of disk"
                    + " \(answer.fields.text("SourceDiskId")),"
                    + " \(ByteSize.text(answer.fields.count("StoredBytes"))) in"
                    + " \(ByteSize.text(answer.fields.count("SizeBytes"))).")
        }

        /// Before hours are spent on it.
        private static func demandFree(_ name: String, _ client: Client) throws(Failure) {
            let found = try client.ask(Request("DescribeSnapshots", ["SnapshotName": name]))
            guard found.fields["Snapshots"]?["Snapshot"]?.array?.isEmpty ?? true else {
                throw Failure(
                    .exists, "There is a snapshot \(name) already.",
                    advice: "Choose another name with --name.")
            }
        }

        private static func rename(_ answer: Answer, to name: String, _ client: Client)
            throws(Failure)
        {
            let id = answer.fields.text("SnapshotId")
            do {
                try client.ask(
                    Request("ModifySnapshotAttribute", ["SnapshotId": id, "SnapshotName": name]))
            } catch {
                var failure = Failure(
                    error,
                    message: "The snapshot is imported as \(id), without its name: "
                        + error.message,
                    advice: "Name it: sealdisk snapshot rename \(id) \(name)")
                // The reply would not say that there is a snapshot.
                failure.reply = nil
                throw failure
            }
        }

        /// Whatever follows is no part of the snapshot, which is whole.
        private static func warnOfRest(of input: SealedInput) throws(Failure) {
            var byte: UInt8 = 0
            var rest = 0
            do {
                rest = try withUnsafeMutableBytes(of: &byte) { try input.read(into: $0) }
            } catch let failure as Failure {
                throw failure
            } catch {
                throw Failure(unforeseen: error)
            }
            if rest > 0 {
                Terminal.complain(
                    "sealdisk: something follows the snapshot in \(input.name); it was left\n")
            }
        }
    }
}

extension Client {
    /// Brings in a snapshot: through the mount's `import` file, or into the store itself.
    func importSnapshot(_ input: SealedInput, _ form: ProgressForm) throws(Failure) -> Answer {
        let progress = Progress(of: input.size, "Importing \(input.name)", form)
        defer { progress.end() }
        switch door {
        case .mount(let mount):
            return try SealedIntake(path: mount.mountPoint + "/import").take(input, progress)
        case .store(let path):
            Hardening.apply()
            let opened = try open(path)
            var done: UInt64 = 0
            let reply = opened.controlPlane(hooks: nil).importSnapshot(
                reading: { buffer in
                    let count = try input.read(into: buffer)
                    done += UInt64(count)
                    progress.reached(done)
                    return count
                }, readsToEnd: false)
            do {
                try opened.store.close()
            } catch {
                throw Failure(Refusal(ofStore: error))
            }
            let answer = try Answer(reply.json)
            if let refusal = answer.refusal {
                throw Failure(refusal, of: "ImportSnapshot", reply: answer.text)
            }
            return answer
        }
    }
}

/// A mount's `import` file, which takes a sealed snapshot's bytes in order.
struct SealedIntake {
    let path: String
    /// Bytes that are handed over in one go.
    private static let pieceSize = 1 << 20

    func take(_ input: SealedInput, _ progress: Progress) throws(Failure) -> Answer {
        let output = Glibc.open(path, O_RDWR | O_CLOEXEC)
        guard output >= 0 else { throw SealedCopy.failure("\(path) cannot be opened", errno) }
        defer { close(output) }
        let piece = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.pieceSize, alignment: 4096)
        defer { piece.deallocate() }
        var done: UInt64 = 0
        while true {
            let count = try input.read(into: piece)
            if count > 0 {
                let problem = write(.init(rebasing: piece[..<count]), to: output)
                done += UInt64(count)
                progress.reached(done)
                if problem == 0, count == piece.count { continue }
            }
            // It is over: by its last frame, by a refusal, or because there is no more.
            return try answer(of: output, after: done, input.name)
        }
    }

    /// 0, or why it was refused. A short write is the last one.
    private func write(_ bytes: UnsafeRawBufferPointer, to output: Int32) -> Int32 {
        while true {
            let count = Glibc.write(output, bytes.baseAddress, bytes.count)
            if count < 0, errno == EINTR { continue }
            return count == bytes.count ? 0 : count < 0 ? errno : EMSGSIZE
        }
    }

    private func answer(of output: Int32, after done: UInt64, _ name: String) throws(Failure)
        -> Answer
    {
        guard let reply = HostText.bytes(of: output), !reply.isEmpty else {
            throw Failure(
                .failed,
                "\(name == "-" ? "Standard input" : name) ends after \(done) bytes, before the"
                    + " snapshot does.",
                advice: "What came is kept: give the same command with the whole file, and it goes"
                    + " on; or give it up with --discard.")
        }
        let answer = try Answer(String(decoding: reply, as: UTF8.self))
        if let refusal = answer.refusal {
            throw Failure(refusal, of: "ImportSnapshot", reply: answer.text)
        }
        return answer
    }
}
