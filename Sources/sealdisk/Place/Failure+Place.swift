import ControlPlane
import Glibc

extension Failure {
    /// The same failure with what to do about it where the store lies on other machines.
    func advised(for place: String) -> Failure {
        guard let uri = try? StoreURI(place) else { return self }
        let advice: String
        switch apiCode {
        case ErrorCode.storeLocked.rawValue:
            advice =
                "Use the mount that has the store, or unmount it there; a check or a copy ends by"
                + " itself. The lease of a host that is gone runs out; sealdisk mount --fence takes"
                + " the store at once."
        case ErrorCode.storage.rawValue:
            advice = "See whether the server can be reached and has room, then repeat."
        case ErrorCode.alreadyExists.rawValue:
            guard let cache = (try? S3Location(uri, endpoint: nil))?.cache,
                access(cache, F_OK) == 0
            else { return self }
            advice =
                self.advice + " If you have emptied the bucket and need nothing of the store that"
                + " was there: what this host had not uploaded of it is still in \(cache), and has"
                + " to go, too."
        case ErrorCode.noPermission.rawValue:
            advice =
                uri.scheme == "s3"
                ? "Have keys that may read, write, delete and list there: in the environment, in"
                    + " ~/.aws/credentials, or in a file that the store's URI names with"
                    + " credentials=FILE, as it has to where HOME is not set (fstab, services)."
                : "Let the user of id= have what Backends.md says (ceph auth caps), and his"
                    + " keyring lie where the cluster's configuration looks for it."
        default: return self
        }
        return Failure(self, message: message, advice: advice)
    }
}
