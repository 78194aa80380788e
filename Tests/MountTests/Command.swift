import Foundation
import HostPrograms

/// A program of the host, run to its end.
enum Command {
    struct Outcome: CustomStringConvertible {
        let command: String
        let status: Int32
        let output: String
        let errors: String

        var description: String { "`\(command)` ended with \(status): \(output)\(errors)" }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Seconds after which a command is taken to hang: it is killed, and what it may hang on is
    /// aborted.
    private static let limit = 120.0

    /// Runs it, whatever comes of it.
    static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Outcome {
        let process = try start(program, arguments, environment: environment)
        let text = ([program] + arguments).joined(separator: " ")
        let guardian = Guardian(seconds: limit, over: "`\(text)`") {
            // With what it has started, which may have its output.
            process.process.killGroup()
        }
        defer { guardian.stop() }
        let output = process.output.fileHandleForReading.readDataToEndOfFile()
        let errors = process.errors.fileHandleForReading.readDataToEndOfFile()
        return Outcome(
            command: text,
            status: process.process.terminationStatus,
            output: String(decoding: output, as: UTF8.self),
            errors: String(decoding: errors, as: UTF8.self))
    }

    /// Runs it; throws unless it succeeds. Gives what it printed.
    @discardableResult
    static func succeed(
        _ program: String, _ arguments: String..., environment: [String: String] = [:]
    ) throws -> String {
        let outcome = try run(program, arguments, environment: environment)
        guard outcome.status == 0 else { throw Failure(description: "\(outcome)") }
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    struct Started {
        let process: Program
        let output: Pipe
        let errors: Pipe
    }

    /// Starts it; the caller reads its pipes and waits for it.
    static func start(
        _ program: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Started {
        let (output, errors) = (Pipe(), Pipe())
        // What a test does not anchor itself leaves nothing in the host's state directory.
        let process = try Program(
            program, arguments,
            environment: ProcessInfo.processInfo.environment
                .merging(["SEALDISK_ANCHOR": "none"]) { $1 }.merging(environment) { $1 },
            output: .pipe(output), errors: .pipe(errors))
        return Started(process: process, output: output, errors: errors)
    }
}
