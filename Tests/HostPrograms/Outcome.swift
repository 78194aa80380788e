import Foundation

/// How a program ended, and what it printed.
public struct Outcome: Sendable {
    /// As `Program.terminationStatus`.
    public let status: Int32
    /// Output and errors, as they came.
    public let text: String
}

extension Program {
    /// Runs a program to its end, whatever comes of it. `environment` is added to that of this
    /// process.
    public static func run(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = [:]
    ) throws -> Outcome {
        let output = Pipe()
        let started = try Program(
            program, arguments,
            environment: ProcessInfo.processInfo.environment.merging(environment) { $1 },
            output: .pipe(output), errors: .pipe(output))
        let text = output.fileHandleForReading.readDataToEndOfFile()
        return Outcome(
            status: started.terminationStatus, text: String(decoding: text, as: UTF8.self))
    }

    /// Runs a program to its end. Gives what it printed.
    ///
    /// - Throws: ``Failure`` unless it succeeds.
    @discardableResult
    public static func succeed(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = [:]
    ) throws -> String {
        let outcome = try run(program, arguments, environment: environment)
        guard outcome.status == 0 else {
            throw Failure(words: [program] + arguments, outcome: outcome)
        }
        return outcome.text
    }

    /// A program that did not succeed.
    public struct Failure: Error, CustomStringConvertible {
        let words: [String]
        let outcome: Outcome

        public var description: String {
            "`\(words.joined(separator: " "))` ended with \(outcome.status): \(outcome.text)"
        }
    }
}
