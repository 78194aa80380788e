import Testing

/// Runs of the real engine, each a function of its seed. `Tests/simulate` runs other seeds, and
/// more; only there a seed gives the same run in each process, since dictionaries have one order.
@Suite struct SimulationTests {
    @Test func seeds() {
        for failure in Campaign.fromEnvironment(.host).run() { Issue.record("\(failure)") }
    }

    @Test func seedsOverABucket() {
        for failure in Campaign.fromEnvironment(.bucket).run() { Issue.record("\(failure)") }
    }

    @Test func seedsOverAPool() {
        for failure in Campaign.fromEnvironment(.pool).run() { Issue.record("\(failure)") }
    }
}
