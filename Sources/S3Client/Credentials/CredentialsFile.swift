import ChunkStore
import CryptoPrimitives
import Glibc

/// AWS's file of credentials: `[profile]`, and below it lines `name = value`.
enum CredentialsFile {
    private static let lengthLimit = 1 << 20

    /// Throws `.denied`, naming the file and what is missing in it.
    static func read(_ path: String, profile: String) throws(StoreError) -> S3Keys {
        var bytes = try contents(of: path)
        defer { wipe(&bytes) }
        var values = values(in: bytes, profile: profile)
        defer { for name in values.keys { wipe(&values[name]!) } }
        guard let access = values["aws_access_key_id"],
            let secret = values["aws_secret_access_key"]
        else {
            let other = values["credential_process"] != nil || values["sso_session"] != nil
            throw denied(
                path,
                other
                    ? "profile \(profile) has its keys made by a program, which is not run here:"
                        + " put aws_access_key_id and aws_secret_access_key into the file"
                    : "it has no aws_access_key_id and aws_secret_access_key for profile \(profile)"
            )
        }
        return try keys(access, secret, values["aws_session_token"], of: path)
    }

    static func keys(
        _ access: [UInt8], _ secret: [UInt8], _ token: [UInt8]?, of place: String
    ) throws(StoreError) -> S3Keys {
        let isPlain = [access, secret, token ?? []].allSatisfy { value in
            value.count <= 8192 && value.allSatisfy { (0x21...0x7e).contains($0) }
        }
        guard isPlain, !access.contains(UInt8(ascii: "/")) else {
            throw denied(place, "a key in it is not one word of plain text")
        }
        do throws(CryptoError) {
            var held: SecretBytes?
            if let token { held = try hold(token) }
            return S3Keys(
                accessKey: String(decoding: access, as: UTF8.self), secret: try hold(secret),
                token: held)
        } catch {
            throw StoreError(.io, operation: "S3 credentials", cause: error.message)
        }
    }

    private static func hold(_ bytes: [UInt8]) throws(CryptoError) -> SecretBytes {
        try SecretBytes(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    private static func values(in bytes: [UInt8], profile: String) -> [String: [UInt8]] {
        var values: [String: [UInt8]] = [:]
        var isMine = false
        for line in bytes.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
            let line = trimmed(line)
            guard let first = line.first, first != UInt8(ascii: "#"), first != UInt8(ascii: ";")
            else { continue }
            if first == UInt8(ascii: "["), line.last == UInt8(ascii: "]") {
                let name = trimmed(line.dropFirst().dropLast())
                isMine = name.elementsEqual(profile.utf8)
            } else if isMine, let equals = line.firstIndex(of: UInt8(ascii: "=")) {
                let name = String(decoding: trimmed(line[..<equals]), as: UTF8.self).lowercased()
                let value = trimmed(line[(equals + 1)...])
                if !value.isEmpty { values[name] = Array(value) }
            }
        }
        return values
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        return bytes
    }

    private static func contents(of path: String) throws(StoreError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            let cause = String(cString: strerror(errno))
            throw denied(
                path,
                "\(cause); put the keys there, or into AWS_ACCESS_KEY_ID and"
                    + " AWS_SECRET_ACCESS_KEY of the environment")
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_size <= lengthLimit
        else { throw denied(path, "it is not a file of up to 1 MiB") }
        guard status.st_mode & 0o022 == 0 else {
            throw denied(path, "everybody may write to it: chmod 600 \(path)")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            let room = bytes.count - filled
            let count = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(file, buffer.baseAddress! + filled, room)
            }
            // The buffer has an address: it is not empty.
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            filled += count
        }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }

    private static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { buffer in
            if let start = buffer.baseAddress { explicit_bzero(start, buffer.count) }
        }
    }

    private static func denied(_ place: String, _ cause: String) -> StoreError {
        StoreError(.denied, operation: "S3 credentials in \(place)", cause: cause)
    }
}
