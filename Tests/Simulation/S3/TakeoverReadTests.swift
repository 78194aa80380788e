import ChunkStore
import Testing

@testable import S3Store

/// One thread of a process takes a folder over while others read what lies in it.
@Suite struct TakeoverReadTests {
    private final class Outcome: @unchecked Sendable {
        // @unchecked: used by who has the scheduler's turn.
        var isTaken = false
        var reads = 0
        var failures: [String] = []
    }

    private func run(_ seed: UInt64) throws -> Outcome {
        let scheduler = Scheduler(seed: seed)
        let seals = SealRegistry()
        let side = BucketSide(scheduler: scheduler, seed: seed)
        let host = SimulatedHost(
            scheduler: scheduler, seed: seed, capacity: 1 << 20, seals: seals)
        let folder = try #require(ObjectName("lineages/a"))
        let names = try (0..<3).map { try #require(ObjectName("lineages/a/\($0)")) }
        let outcome = Outcome()
        let end = scheduler.run {
            do {
                let lost = try side.open(over: host)
                let membership = try lost.join(holder: "lost")
                let had = try lost.takeFolder(folder, holder: "lost", isFencing: false)
                for name in names { _ = try lost.replaceObject(name, with: [1], if: .absent) }
                host.crash(.kill)
                withExtendedLifetime((membership, had)) {}
                host.start()
                try self.takeOver(folder, names, side.open(over: host), scheduler, outcome)
            } catch {
                outcome.failures.append("\(error)")
            }
        }
        if end != .completed { outcome.failures.append("\(end)") }
        return outcome
    }

    /// Reads all the time while the folder is taken.
    private func takeOver(
        _ folder: ObjectName, _ names: [ObjectName], _ store: any RemoteStore,
        _ scheduler: Scheduler, _ outcome: Outcome
    ) throws {
        let membership = try store.join(holder: "next")
        let reader = try scheduler.start(name: "reader") {
            var number = 0
            while !outcome.isTaken {
                number += 1
                do {
                    _ = try store.readVersioned(names[number % names.count], limit: 10)
                    outcome.reads += 1
                } catch {
                    outcome.failures.append("\(error)")
                }
            }
        }
        let taken = try store.takeFolder(folder, holder: "next", isFencing: false)
        outcome.isTaken = true
        reader.join()
        taken.lock.release()
        membership.release()
    }

    @Test func whatIsThereIsFound() throws {
        var reads = 0
        for seed: UInt64 in 1...60 {
            let outcome = try run(seed)
            #expect(outcome.failures.isEmpty, "seed \(seed): \(outcome.failures.first ?? "")")
            reads += outcome.reads
        }
        #expect(reads > 0)
    }
}
