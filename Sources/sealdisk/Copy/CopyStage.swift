/// What a copy has set up on its way, to be taken down in the opposite order whatever happens.
final class CopyStage {
    private var steps: [(what: String, undo: () throws(Failure) -> Void)] = []

    /// Does something and remembers how it is undone.
    func done<R>(
        _ what: String, _ work: () throws(Failure) -> R, undo: @escaping (R) throws(Failure) -> Void
    ) throws(Failure) -> R {
        let result = try work()
        steps.append((what, { () throws(Failure) in try undo(result) }))
        return result
    }

    /// Takes everything down, and gives what could not be, in words. A second time does nothing.
    func takeDown() -> [String] {
        var problems: [String] = []
        while let step = steps.popLast() {
            do throws(Failure) {
                try step.undo()
            } catch {
                problems.append("\(step.what): \(error.message)")
            }
        }
        return problems
    }
}
