import Foundation
import RADOSStore
import ServerFixtures

extension CephCluster {
    /// A place that nobody has used.
    func place(user: String = "store", pool: String = "test") -> RADOSPlace {
        RADOSPlace(
            pool: pool, prefix: "p-\(UUID())", user: user, configuration: configuration,
            timeout: 30)
    }

    /// An empty store of its own.
    func store() throws -> RADOSStore { try RADOSStore(place()) }
}
