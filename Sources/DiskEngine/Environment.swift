import CryptoPrimitives
import KeyManagement
import Scheduling

/// What the engine gets from the world besides storage and keys.
public struct Environment: Sendable {
    public let entropy: any Entropy
    public let clock: any WallClock
    public let threads: any Threads

    public init(
        entropy: any Entropy = SystemEntropy(), clock: any WallClock = SystemClock(),
        threads: any Threads = SystemThreads()
    ) {
        self.entropy = entropy
        self.clock = clock
        self.threads = threads
    }
}
