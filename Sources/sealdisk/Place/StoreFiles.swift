import ChunkStore
import ControlPlane
import DiskEngine
import Glibc
import LocalStore
import RADOSStore
import S3Client
import S3Store
import Scheduling

/// The medium of a store, opened.
typealias StoreFiles = any ChunkStore & StoreSurvey

extension StoreLocation {
    /// Opens the medium of a store that is to be used, or with `readOnly` only looked at: then
    /// nothing is written to it, and of one on other machines no cache is used.
    ///
    /// - Parameter fencing: the store is taken from another host that has it when it is locked.
    /// - Throws: `StoreError`, `Failure`.
    func open(readOnly: Bool = false, fencing: Bool = false) throws -> StoreFiles {
        switch self {
        case .folder(let path): return try LocalStore(path: path, readOnly: readOnly)
        case .bucket(let location): return try location.open(readOnly: readOnly, fencing: fencing)
        case .pool(let location): return try location.open(readOnly: readOnly, fencing: fencing)
        }
    }

    /// Makes the place for a new store; what is there already must be empty.
    /// Throws `StoreError`, `Failure`.
    func create() throws -> StoreFiles {
        if case .folder(let path) = self { return try LocalStore.create(at: path) }
        let files = try open()
        guard try files.survey(nil).isEmpty else {
            throw StoreError(
                .alreadyExists, operation: "create store \(text)", cause: "it is not empty")
        }
        return files
    }

    /// What the operator is told of writes that the store will never have; nil: there are none.
    static func lossNote(of files: StoreFiles) -> String? {
        guard let count = (files as? S3Store)?.forgottenChunks, count > 0 else { return nil }
        return "another host has had the store since this one: what this host had written to"
            + " \(count) chunks and not uploaded was removed from its cache (RemoteStores.md)"
    }

    /// Of the host, for caches and locks of stores elsewhere.
    fileprivate static func hostFolder(_ path: String) throws -> LocalStore {
        if let cause = StateFolder.make(path) {
            throw Failure(
                .denied, "The folder \(path) of this host cannot be made: \(cause).",
                advice: "Name another for the store's cache: cache=PATH in its URI; or run this as"
                    + " a user who may make it.")
        }
        return try LocalStore(path: path)
    }
}

extension S3Location {
    fileprivate func open(readOnly: Bool, fencing: Bool) throws -> S3Store {
        var clientOptions = S3Client.Options()
        clientOptions.http.certificates = certificates
        let client = S3Client(
            place, credentials: try S3Credentials(environment: environment), time: HostTime(),
            options: clientOptions)
        // Who only reads puts nothing on a condition.
        if !readOnly { try client.proveConditions() }
        var options = options
        options.isFencing = fencing
        options.hostName = Self.hostName()
        let cache: any ChunkStore =
            readOnly ? MemoryStore() : try StoreLocation.hostFolder(cache)
        return try S3Store(
            client, cache: cache, options: options, threads: SystemThreads(), time: HostTime(),
            wallSeconds: { UInt64(max(0, time(nil))) },
            random: { count in
                var random = SystemRandomNumberGenerator()
                return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            })
    }

    private static func hostName() -> String {
        var names = utsname()
        guard uname(&names) == 0 else { return "" }
        return withUnsafeBytes(of: names.nodename) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private static let variables = [
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE", "HOME",
    ]

    /// The process's own, with what the URI says of credentials.
    private var environment: [String: String] {
        var values: [String: String] = [:]
        for name in Self.variables {
            if let value = environmentVariable(name) { values[name] = value }
        }
        if let credentialsFile {
            values["AWS_ACCESS_KEY_ID"] = nil
            values["AWS_SECRET_ACCESS_KEY"] = nil
            values["AWS_SESSION_TOKEN"] = nil
            values["AWS_SHARED_CREDENTIALS_FILE"] = credentialsFile
        }
        if let profile { values["AWS_PROFILE"] = profile }
        return values
    }
}

extension CephLocation {
    fileprivate func open(readOnly: Bool, fencing: Bool) throws -> SharedRADOSStore {
        try SharedRADOSStore(
            place, readOnly: readOnly,
            hostLock: readOnly ? nil : try StoreLocation.hostFolder(hostFolder),
            isFencing: fencing)
    }
}
