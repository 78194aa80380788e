import ChunkStore
import ControlPlane
import Testing

@testable import sealdisk

/// What is to be done about a store on other machines is done there, or with the keys to it.
@Suite struct PlaceAdviceTests {
    private func advice(_ place: String) -> String {
        let error = StoreError(.denied, operation: "S3 credentials", cause: "there are none")
        return Failure(Refusal(ofStore: error)).advised(for: place).advice
    }

    @Test func whereKeysAreRefusedItIsSaidWhereTheyBelong() {
        #expect(advice("s3://backups/store").contains("credentials=FILE"))
        #expect(advice("rados://rbd/store").contains("ceph auth caps"))
        #expect(advice("/srv/store").contains("as root"))
    }
}
