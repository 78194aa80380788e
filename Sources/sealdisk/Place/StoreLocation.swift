import ControlPlane
import LocalStore

/// Where a store lies, as people name it: a folder, a bucket on S3, or a part of a Ceph pool.
///
/// Everywhere in this program a store goes by its `text`: an absolute path without symbolic links,
/// or a URI whose settings are complete, so that another process on this host opens the same.
enum StoreLocation: Sendable {
    case folder(String)
    case bucket(S3Location)
    case pool(CephLocation)

    /// A store that was named on a command line. A folder must exist. A store that is mounted is
    /// the mounted one, with its settings, whatever of them was said.
    static func named(_ text: String, endpoint: String? = nil) throws(Failure) -> String {
        guard let location = try remote(text, endpoint: endpoint) else {
            guard endpoint == nil else {
                throw Failure(
                    .invalid, "--endpoint names the server of a store on S3; \(text) is a folder.",
                    advice: "Leave it out, or name the store as s3://BUCKET/PREFIX.")
            }
            return try AbsolutePath.existing(text, as: "store")
        }
        return mount(of: location)?.store ?? location.text
    }

    /// By its text, or as it was named.
    init(_ text: String) throws(Failure) {
        self = try Self.remote(text, endpoint: nil) ?? .folder(text)
    }

    /// Of a store that is to be made.
    init(new text: String, endpoint: String?) throws(Failure) {
        if let location = try Self.remote(text, endpoint: endpoint) {
            self = location
        } else if endpoint == nil {
            self = .folder(text)
        } else {
            self = .folder(try Self.named(text, endpoint: endpoint))
        }
    }

    private static func remote(
        _ text: String, endpoint: String?
    ) throws(Failure) -> StoreLocation? {
        guard let uri = try StoreURI(text) else { return nil }
        switch uri.scheme {
        case "s3": return .bucket(try S3Location(uri, endpoint: endpoint))
        default: return .pool(try CephLocation(uri))
        }
    }

    /// The mount of a store by its name; nil if it is not mounted, or if that is no store's name.
    static func mount(named text: String) -> MountedStore? {
        if let remote = try? remote(text, endpoint: nil) { return mount(of: remote) }
        guard let path = AbsolutePath.resolve(text) else { return nil }
        return MountedStore.all().last { $0.store == path }
    }

    private static func mount(of location: StoreLocation) -> MountedStore? {
        MountedStore.all().last { mount in
            (try? StoreLocation(mount.store))?.place == location.place
        }
    }

    var text: String {
        switch self {
        case .folder(let path): path
        case .bucket(let location): location.text
        case .pool(let location): location.text
        }
    }

    /// What tells one store from another, whatever its settings.
    private var place: String {
        switch self {
        case .folder(let path): path
        case .bucket(let location): "\(location.place) \(location.place.endpoint)"
        case .pool(let location): "\(location.place) \(location.place.configuration)"
        }
    }

    /// The folder of this host whose lock says which process has the store: its own, or its cache.
    var lockFolder: String {
        switch self {
        case .folder(let path): path
        case .bucket(let location): location.cache
        case .pool(let location): location.hostFolder
        }
    }

    var isFolder: Bool { if case .folder = self { true } else { false } }
}

extension LockHolder {
    /// The process on this host that has a store; nil if none has.
    static func current(ofStore text: String) -> LockHolder? {
        (try? StoreLocation(text)).flatMap { current(ofStoreAt: $0.lockFolder) }
    }
}
