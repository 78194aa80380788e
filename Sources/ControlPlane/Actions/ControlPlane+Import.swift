import DiskEngine
import DiskFormat

extension ControlPlane {
    func takeIn(
        _ source: @escaping SealedSnapshotFile.Source, _ readsToEnd: Bool, requiresEncryption: Bool
    ) throws(Refusal) -> JSONObject {
        let made: SnapshotSummary
        do {
            made = try store.importSnapshot(
                reading: source, readsToEnd: readsToEnd, requiresEncryption: requiresEncryption)
        } catch {
            throw Self.refusal(of: error)
        }
        announce(.snapshotCreated(made.id))
        return [
            "SnapshotId": .string(made.id.text), "SourceDiskId": .string(made.disk.text),
            "SizeBytes": .integer(made.size), "StoredBytes": .integer(made.storedBytes),
            "Encrypted": .bool(made.isEncrypted), "KMSKeyId": .string(made.keyID ?? ""),
            "CreationTime": .string("\(made.created)"),
        ]
    }

    /// What is wrong with a file is no damage of the store.
    private static func refusal(of error: any Error) -> Refusal {
        let plain = Refusal(error, about: .snapshot(""))
        guard let code = (error as? DiskError)?.code else { return plain }
        let remedy: String? =
            switch code {
            case .damaged:
                "Export or copy the file again and repeat the import: it goes on where this one"
                    + " ended. To give it up: `DiscardSnapshotImport`."
            case .notFound: "Import the snapshot that it is the difference to, then repeat."
            case .alreadyExists: "Nothing is to be done; to import it anew, delete it first."
            case .keyRefused:
                "Give the keystore that the snapshot's key was made in (--keystore PATH), and a"
                    + " store of the same account and region."
            case .invalid:
                "Import it where plain snapshots are allowed, or export an encrypted one."
            case .noSpace, .io, .sessionOver:
                "\(plain.recommend) Then repeat the import: it goes on where this one ended."
            default: nil
            }
        guard let remedy else { return plain }
        return Refusal(code: plain.code, message: plain.message, recommend: remedy)
    }

    /// Gives up an import that was begun and not finished.
    func discardSnapshotImport(_ arguments: Arguments) throws(Refusal) -> JSONObject {
        let name = try arguments.required("SnapshotId")
        let found = store.imports().filter { $0.id.text.hasPrefix(name) }
        guard found.count == 1, name.utf8.count >= ResourceName.shortestIDPrefix else {
            throw Refusal(
                .snapshotNotFound, "No import of a snapshot '\(name)' was begun and not finished.",
                recommend: "List them: `DescribeSnapshots` shows them as Imports.")
        }
        try arguments.stopIfDryRun()
        try engine(about: .snapshot(name)) { try store.discardImport(of: found[0].id) }
        return ["SnapshotId": .string(found[0].id.text)]
    }

    /// nil if there are none.
    var unfinishedImports: JSON? {
        let imports = store.imports()
        guard !imports.isEmpty else { return nil }
        return .array(
            imports.map {
                .object([
                    "SnapshotId": .string($0.id.text),
                    "BaseSnapshotId": .string($0.base?.text ?? ""),
                    "Running": .bool($0.isRunning), "StoredBytes": .integer($0.storedBytes),
                ])
            })
    }
}
