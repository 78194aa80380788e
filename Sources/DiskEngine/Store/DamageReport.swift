import ChunkStore
import CryptoPrimitives
import DiskFormat
import KeyManagement

// How errors of the layers below become the engine's.
extension DiskError {
    /// A store's error met while doing `action`.
    static func store(_ error: StoreError, while action: String) -> DiskError {
        let code: Code =
            switch error.code {
            case .notFound: .damaged
            case .noSpace: .noSpace
            case .locked: .storeLocked
            case .readOnly: .readOnly
            case .denied: .denied
            case .tooLarge, .foreign: .damaged
            case .tooManyFiles: .hostLimit
            case .alreadyExists, .conflict, .busy, .unanswered, .fenced, .io: .io
            }
        return DiskError(code, "\(action): \(error)", cause: error)
    }

    /// Whatever was thrown, as an error of the engine that says what was being done.
    static func wrap(_ error: any Error, while action: String) -> DiskError {
        switch error {
        case let error as DiskError: error
        case let error as StoreError: .store(error, while: action)
        case let error as FormatError:
            DiskError(
                error.code == .limit ? .limit : .damaged, "\(action): \(error)", cause: error)
        case let error as KeyError:
            DiskError(code(of: error), "\(action): \(error)", cause: error)
        case let error as CryptoError where error.code == .lockedMemory:
            DiskError(.hostLimit, "\(action): \(error)", cause: error)
        default: DiskError(.io, "\(action): \(error)", cause: error)
        }
    }

    private static func code(of error: KeyError) -> Code {
        switch error.code {
        case .notActivated: .keyServiceInactive
        case .locked, .unknownKey, .refused, .disabled: .keyRefused
        case .quotaExceeded: .limit
        case .unavailable, .io: .io
        }
    }
}
