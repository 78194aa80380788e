/// What a command has set up on its way, to be taken down in the opposite order: by a copy whatever
/// happens, by an attach if a later step fails.
final class Stage {
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

    /// Runs `work`; if it fails, what it had set up is taken down, and what could not be is said.
    static func allOrNothing<R>(
        _ work: (Stage) throws(Failure) -> R
    ) throws(Failure) -> R {
        let stage = Stage()
        do throws(Failure) {
            return try work(stage)
        } catch {
            for problem in stage.takeDown() {
                Terminal.complain("sealdisk: not undone: \(problem)\n")
            }
            throw error
        }
    }
}
