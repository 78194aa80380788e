import Foundation
import Testing

@testable import sealdisk

@Suite(.serialized) struct FailureNoteTests {
    /// What lies at its place, of an earlier process or planted, does not keep it from being told.
    @Test(arguments: [false, true]) func whatLiesInItsPlaceIsReplaced(isLink: Bool) throws {
        let folder = try #require(FailureNote.folders(making: true).first)
        let place = "\(folder)/sealdisk-\(getpid()).failure"
        let target = folder + "/sealdisk-\(getpid()).target"
        unlink(place)
        if isLink {
            try #require(symlink(target, place) == 0)
        } else {
            try Data("of another".utf8).write(to: URL(fileURLWithPath: place))
        }
        FailureNote.leave(Failure(.failed, "data is not durable", advice: ""))
        #expect(FailureNote.take(of: getpid()) == "data is not durable")
        #expect(FailureNote.take(of: getpid()) == nil, "it is told once")
        #expect(access(target, F_OK) != 0)
    }

    @Test func onlyFoldersThatNobodyElseCanUseAreTrusted() throws {
        let folder = try TemporaryFolder()
        let own = folder.path + "/own"
        try #require(mkdir(own, 0o700) == 0)
        #expect(FailureNote.isPrivate(own))
        try #require(symlink(own, folder.path + "/link") == 0)
        #expect(!FailureNote.isPrivate(folder.path + "/link"))
        for mode: mode_t in [0o710, 0o701, 0o1777] {
            chmod(own, mode)
            #expect(!FailureNote.isPrivate(own))
        }
        #expect(!FailureNote.isPrivate(folder.path + "/nothing"))
        #expect(!FailureNote.folders(making: true).contains { $0.hasPrefix("/tmp") })
    }
}
