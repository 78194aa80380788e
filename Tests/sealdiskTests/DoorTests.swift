import Testing

@testable import sealdisk

@Suite struct DoorTests {
    private let one = MountedStore(mountPoint: "/mnt/one", store: "/srv/one")
    private let two = MountedStore(mountPoint: "/mnt/two", store: "/srv/two")
    /// Another user's, whoever runs the tests.
    private let foreign = MountedStore(
        mountPoint: "/mnt/foreign", store: "/srv/foreign", owner: UInt32.max - 7)

    private func choose(
        _ mount: String?, _ store: String?, _ mounts: [MountedStore]
    ) -> Result<Door, Failure> {
        Result { () throws(Failure) in
            try Door.choose(mount: mount, store: store, among: mounts)
        }
    }

    private func exitCode(_ result: Result<Door, Failure>) -> Int32? {
        if case .failure(let failure) = result { failure.exitCode } else { nil }
    }

    @Test func theOnlyMountIsTaken() {
        #expect(choose(nil, nil, [one]) == .success(.mount(one)))
        #expect(choose(nil, nil, [foreign, two]) == .success(.mount(two)))
    }

    /// A mount whose daemon is gone answers nobody, and is no choice beside one that is served.
    @Test func aDeadMountIsPassedOver() {
        let choice = Result { () throws(Failure) in
            try Door.choose(mount: nil, store: nil, among: [one, two]) { $0 == two }
        }
        #expect(choice == .success(.mount(two)))
        let unknown = Result { () throws(Failure) in
            try Door.choose(mount: nil, store: nil, among: [one, two]) { _ in false }
        }
        #expect(exitCode(unknown) == 2)
    }

    @Test func whatIsSaidIsTaken() {
        #expect(choose("/mnt/two", nil, [one, two]) == .success(.mount(two)))
        #expect(choose(nil, "/srv/one", [one, two]) == .success(.mount(one)))
        #expect(choose("/mnt/one", "/srv/one", [one, two]) == .success(.mount(one)))
        #expect(choose(nil, "/srv/other", [one]) == .success(.store(path: "/srv/other")))
    }

    @Test func whatIsNotClearIsRefused() throws {
        #expect(exitCode(choose(nil, nil, [])) == 3)
        #expect(exitCode(choose(nil, nil, [foreign])) == 3)
        #expect(exitCode(choose("/mnt/other", nil, [one])) == 3)
        #expect(exitCode(choose("/mnt/foreign", nil, [one, foreign])) == 9)
        #expect(exitCode(choose(nil, "/srv/foreign", [one, foreign])) == 9)
        #expect(exitCode(choose("/mnt/one", "/srv/two", [one, two])) == 2)
        let several = choose(nil, nil, [one, two, foreign])
        #expect(exitCode(several) == 2)
        guard case .failure(let failure) = several else { return }
        #expect(failure.message.contains("/mnt/one") && failure.message.contains("/srv/two"))
        #expect(!failure.message.contains("/mnt/foreign"))
    }
}
