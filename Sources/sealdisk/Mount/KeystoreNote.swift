import KeyManagement

/// What a mount says of its keystore before there is need of it: without it no encrypted disk
/// attaches, and hours later is a bad time to learn that.
enum KeystoreNote {
    /// nil if there is nothing to say. A keystore that cannot be read is told when it is opened.
    static func text(of source: KeySource) -> String? {
        guard source.keyService == nil else { return nil }
        let keys = source.keystoreService(account: Home.account, region: Home.region)
        let opening: KeystoreOpening?
        do {
            opening = try keys.opening()
        } catch {
            return nil
        }
        switch opening {
        case nil:
            return "there is no keystore \(keys.path): encrypted disks cannot be attached. Name it"
                + " (--keystore PATH), copy it from the host that made the disks, or, if there are"
                + " none yet, make it: sealdisk kms activate"
        case .keyFile(let path, isThere: false) where source.unlocker == nil:
            return "the key file of keystore \(keys.path)\(path.map { ", \($0)," } ?? "") is not"
                + " there: encrypted disks cannot be attached. Put it back, or mount with"
                + " --key-file PATH"
        default: return nil
        }
    }
}
