import ChunkStore
import Testing

@testable import DiskEngine

/// Fails the first, second, third … call of each kind, once, in a small life of a disk.
@Suite struct FaultMatrixTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        let operation: StoreOperation
        var effect = Fault.Effect.none
        var code = StoreError.Code.io

        var testDescription: String { "\(operation) \(effect) \(code)" }
    }

    static let kinds: [Kind] =
        [
            StoreOperation.createFile, .openFile, .remove, .readObject, .replaceObject, .list,
            .removeFolder, .capacity, .reserve, .read, .write, .synchronize, .dropCache,
            .deallocate, .size,
        ].map { Kind(operation: $0) }
        + [StoreOperation.createFile, .replaceObject, .write].map {
            Kind(operation: $0, code: .noSpace)
        }
        + [
            Kind(operation: .write, effect: .half), Kind(operation: .write, effect: .whole),
            Kind(operation: .synchronize, effect: .whole),
            Kind(operation: .replaceObject, effect: .whole),
            Kind(operation: .remove, effect: .whole),
            Kind(operation: .deallocate, effect: .whole),
        ]

    @Test(arguments: kinds) func theNthCallFails(kind: Kind) {
        let calm = FaultRun("without a fault")
        calm.run()
        #expect(calm.failures == 0)
        let calls = calm.files.count(of: [kind.operation])
        // Background threads make the number of calls vary a little: two more.
        for call in 1...calls + 2 {
            let run = FaultRun("\(kind.testDescription), call \(call) of \(calls)")
            run.files.arm(
                Fault([kind.operation], call: call, effect: kind.effect, code: kind.code))
            run.run()
        }
    }
}
