import Foundation
import Testing

/// The program on real mounts, as root; one test after the other, for they share the host's loop
/// devices and its two cores.
@Suite("Real mounts", .serialized) enum MountSuite {}

/// Runs `body`, which must fail with this errno.
func expectErrno(
    _ expected: Int32, at location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record(
            "nothing was refused; expected \(String(cString: strerror(expected)))",
            sourceLocation: location)
    } catch let error as OpenedFile.Failure {
        #expect(error.errno == expected, "\(error)", sourceLocation: location)
    } catch {
        Issue.record("unforeseen: \(error)", sourceLocation: location)
    }
}
