import ChunkStore
import ControlPlane
import Testing

@testable import sealdisk

/// What is to be done about a store on other machines is done there, or with the keys to it.
@Suite struct PlaceAdviceTests {
    private func advice(_ place: String, _ code: StoreError.Code = .denied) -> String {
        let error = StoreError(code, operation: "S3 credentials", cause: "there are none")
        return Failure(Refusal(ofStore: error)).advised(for: place).advice
    }

    @Test func whereKeysAreRefusedItIsSaidWhereTheyBelong() {
        #expect(advice("s3://backups/store").contains("credentials=FILE"))
        #expect(advice("rados://rbd/store").contains("ceph auth caps"))
        #expect(advice("/srv/store").contains("as root"))
    }

    /// A bucket that was emptied by hand is not empty to a host that has the rest.
    @Test func whatACacheStillHasIsNamed() throws {
        let folder = try TemporaryFolder()
        let uri = "s3://backups/store?endpoint=http://h&cache="
        #expect(advice(uri + folder.path, .alreadyExists).contains("is still in \(folder.path),"))
        #expect(!advice(uri + folder.path + "/none", .alreadyExists).contains("emptied"))
    }

    @Test func whatDoesNotAnswerIsToBeReached() {
        #expect(advice("rados://rbd/store", .unanswered).contains("can be reached"))
        #expect(advice("/srv/store", .io).contains("kernel's log"))
    }
}
