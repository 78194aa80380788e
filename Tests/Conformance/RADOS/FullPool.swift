import ChunkStore
import Foundation
import RADOSStore
import ServerFixtures
import Testing

/// A pool of its own with a quota, which somebody else in it uses up and gives back. The cluster
/// looks at quotas every second or so, so both take a while; and it looks at nothing else: the
/// last that fits may be larger than what there was. The pool goes with the value.
final class FullPool {
    let store: RADOSStore
    private let cluster: CephCluster
    private let pool = "full-\(UUID())"
    private let others: RADOSStore
    private let quota: UInt64

    init(quota: UInt64) throws {
        self.quota = quota
        cluster = try CephCluster.shared.get()
        try cluster.order("ceph osd pool create \(pool) 1 1 replicated")
        store = try RADOSStore(cluster.place(pool: pool))
        others = try RADOSStore(cluster.place(pool: pool))
        try cluster.order("ceph osd pool set-quota \(pool) max_bytes \(quota)")
        try wait(for: "the quota is known") { try store.capacity().total == quota }
    }

    deinit {
        try? cluster.order("ceph osd pool delete \(pool) \(pool) --yes-i-really-really-mean-it")
    }

    /// Returns when the cluster refuses what needs space.
    func fill() throws {
        _ = try others.createFile(try name("all"), length: quota + 1)
        var round = 0
        try wait(for: "it is full") {
            do throws(StoreError) {
                round += 1
                guard let probe = ObjectName("probes/\(round)") else { return false }
                _ = try others.createFile(probe, length: 1)
                return false
            } catch {
                return error.code == .noSpace
            }
        }
    }

    /// Returns when there is room again, and the cluster knows it.
    func makeRoom() throws {
        try others.remove(try name("all"))
        try others.removeFolder(try name("probes"))
        let probe = try name("probe")
        try wait(for: "there is room") {
            (try? others.createFile(probe, length: 1)) != nil
        }
        try others.remove(probe)
    }

    private func wait(for what: String, _ isSo: () throws -> Bool) throws {
        for _ in 0..<1500 {
            if try isSo() { return }
            usleep(20_000)
        }
        Issue.record("not within 30 s: \(what)")
    }
}
