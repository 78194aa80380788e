import ControlPlane

extension Failure {
    /// The same failure with what to do about it where the store lies on other machines.
    func advised(for place: String) -> Failure {
        guard (try? StoreURI(place)) != nil else { return self }
        let advice: String
        switch apiCode {
        case ErrorCode.storeLocked.rawValue:
            advice =
                "Use the mount that has the store, or unmount it there; a check or a copy ends by"
                + " itself. The lease of a host that is gone runs out; sealdisk mount --fence takes"
                + " the store at once."
        case ErrorCode.storage.rawValue:
            advice = "See whether the server can be reached and has room, then repeat."
        default: return self
        }
        return Failure(self, message: message, advice: advice)
    }
}
