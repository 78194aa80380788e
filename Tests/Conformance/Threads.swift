import Foundation
import Testing

/// Runs `body` on `count` threads at once and waits for all; what one throws fails the test.
func inThreads(_ count: Int, _ body: @Sendable (Int) throws -> Void) {
    DispatchQueue.concurrentPerform(iterations: count) { thread in
        do {
            try body(thread)
        } catch {
            Issue.record(error)
        }
    }
}
