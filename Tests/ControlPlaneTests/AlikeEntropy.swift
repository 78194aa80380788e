import CryptoPrimitives
import Synchronization

/// Draws that begin alike and end in a number that goes up: ids that share all but their end.
final class AlikeEntropy: Entropy {
    private let drawn = Mutex<UInt8>(0)

    func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        let number = drawn.withLock { drawn in
            drawn &+= 1
            return drawn
        }
        if let last = buffer.indices.last { buffer[last] = number }
    }
}
