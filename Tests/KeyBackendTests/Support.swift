import CryptoPrimitives
import Foundation
import HostPrograms
import KeyManagement

/// A folder of this test alone, removed with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/sealdisk-backends-" + Foundation.UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, to name: String, mode: mode_t = 0o600) throws -> String {
        let file = path + "/" + name
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        chmod(file, mode)
        return file
    }
}

/// Runs a program to its end; its output, and whether it said that all is well.
@discardableResult
func run(_ arguments: [String], environment: [String: String] = [:]) throws -> (String, Bool) {
    let outcome = try Program.run(
        arguments[0], Array(arguments.dropFirst()), environment: environment)
    return (outcome.text, outcome.status == 0)
}

extension SecretBytes {
    var revealed: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

/// The error that `body` throws, nil if it throws none.
func keyError(_ body: () throws -> Void) -> KeyError? {
    do {
        try body()
        return nil
    } catch {
        return error as? KeyError
    }
}

/// Seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = Date()
    try body()
    return Date().timeIntervalSince(start)
}

let context = KeyContext(store: "st-1", lineage: "l-1", epoch: 1, format: 1)
