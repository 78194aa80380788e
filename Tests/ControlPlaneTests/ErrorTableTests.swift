import DiskEngine
import Glibc
import KeyManagement
import Testing

@testable import ControlPlane

@Suite struct ErrorTableTests {
    static let kinds: [(ErrorKind, Int32, Int32)] = [
        (.invalid, EINVAL, 2), (.notFound, ENOENT, 3), (.exists, EEXIST, 4),
        (.busy, EBUSY, 5), (.keyRequired, ENOKEY, 6), (.noSpace, ENOSPC, 7), (.quota, EDQUOT, 7),
        (.failed, EIO, 8), (.denied, EPERM, 9),
    ]

    @Test func everyKindIsInTheTable() {
        #expect(Set(Self.kinds.map(\.0)) == Set(ErrorKind.allCases))
    }

    @Test(arguments: kinds) func kindsHaveTheirErrnoAndExitCode(
        kind: ErrorKind, errno: Int32, exitCode: Int32
    ) {
        #expect(kind.errno == errno)
        #expect(kind.exitCode == exitCode)
    }

    static let engineErrors: [(DiskError.Code, ErrorKind)] = [
        (.notFound, .notFound), (.invalid, .invalid),
        (.alreadyExists, .exists), (.busy, .busy), (.keyRequired, .keyRequired),
        (.keyServiceInactive, .keyRequired), (.keyRefused, .keyRequired), (.noSpace, .noSpace),
        (.damaged, .failed), (.io, .failed), (.sessionOver, .failed), (.storeLocked, .busy),
        (.readOnly, .denied), (.denied, .denied), (.limit, .quota),
        (.hostLimit, .quota), (.unsupported, .invalid), (.rolledBack, .failed),
        (.unfinishedCopy, .busy), (.heldElsewhere, .busy),
    ]

    @Test func everyEngineErrorIsInTheTable() {
        #expect(Set(Self.engineErrors.map(\.0)) == Set(DiskError.Code.allCases))
    }

    @Test(arguments: engineErrors) func engineErrorsHaveTheirKind(
        code: DiskError.Code, kind: ErrorKind
    ) {
        let refusal = Refusal(DiskError(code, "what"), about: .disk("d"))
        #expect(refusal.kind == kind)
        #expect(refusal.message == "what")
        #expect(!refusal.recommend.isEmpty)
    }

    static let keyErrors: [(KeyError.Code, String)] = [
        (.notActivated, "InvalidParameter.Encrypted.KmsNotEnabled"),
        (.locked, "Rejected.KeystoreLocked"), (.unknownKey, "Forbidden.KeyNotFound"),
        (.refused, "InvalidParameter.KMSKeyId.KMSUnauthorized"), (.io, "InternalError.KeyService"),
        (.disabled, "InvalidParameter.KMSKeyId.CMKNotEnabled"),
        (.quotaExceeded, "QuotaExceeded.KeyUses"),
        (.unavailable, "ServiceUnavailable.KeyService"),
    ]

    @Test(arguments: keyErrors) func keyErrorsAreTheSameFromTheEngineAndTheKMS(
        code: KeyError.Code, text: String
    ) {
        let error = KeyError(code, "why")
        #expect(Refusal(error, about: .request).code == text)
        let wrapped = DiskError(.keyRefused, "what", cause: error)
        #expect(Refusal(wrapped, about: .disk("d")).code == text)
    }

    @Test(arguments: ErrorCode.allCases)
    func aReplysCodeGivesItsKindBack(code: ErrorCode) {
        let there = Refusal(code, "m", recommend: "r")
        #expect(Refusal(code: there.code, message: "m", recommend: "r") == there)
        let detailed = Refusal(code, "m", parameter: "Some.1", recommend: "r")
        #expect(Refusal(code: detailed.code, message: "m", recommend: "r").kind == code.kind)
    }

    @Test func anUnknownCodeIsAFailure() {
        #expect(Refusal(code: "Throttling", message: "m", recommend: "r").kind == .failed)
    }
}
