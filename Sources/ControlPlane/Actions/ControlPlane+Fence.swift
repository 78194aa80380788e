import DiskEngine

extension ControlPlane {
    /// Cuts off every attached encrypted disk, whoever uses it, and says so in lines for the log;
    /// none if there was none. Takes no turn for the cutting: an action that takes long must not
    /// hold it up.
    public func fenceEncryptedDisks(because reason: String) -> [String] {
        store.fenceEncryptedDisks().map { fenced in
            let name = (try? disk(fenced.id.text).name) ?? fenced.id.text
            announce(.diskDetached(fenced.id))
            let lost = fenced.failure.map { "; not all of it could be made durable: \($0.message)" }
            return
                "disk '\(name)' (\(fenced.id)) was detached, and its files that are open fail from"
                + " now on: \(reason)\(lost ?? "")"
        }
    }
}
