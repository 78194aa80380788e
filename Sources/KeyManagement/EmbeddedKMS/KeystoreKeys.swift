import CryptoPrimitives

/// The keys of an unlocked keystore.
///
/// Version 1: root = scrypt(passphrase, salt, N, r, p) or HKDF-Extract(key file, salt), 32 bytes.
/// Version 2: root is random, and lies in each slot. Each key is HKDF(root, salt,
/// "sealdisk keystore " + version + " " + purpose): `seal` (CMKs), `mac` (the file), `check`.
struct KeystoreKeys: Sendable {
    static let checkLength = 16
    static let rootLength = 32

    private let seal: AESGCMKey
    private let mac: HMACKey
    /// Stored beside the payload, so that a wrong passphrase is told from a damaged file.
    let check: [UInt8]

    init(
        secret: borrowing SecretBytes, _ unlocker: UnlockerDescription
    ) throws(CryptoError) {
        let salt = unlocker.salt.bytes
        let root = try Self.root(secret, unlocker.scrypt, salt)
        try self.init(root: root, salt: salt, version: 1)
    }

    init(
        root: borrowing SecretBytes, salt: [UInt8], version: Int
    ) throws(CryptoError) {
        func derive(_ purpose: String, _ count: Int) throws(CryptoError) -> SecretBytes {
            try HKDF.deriveSecret(
                key: root, salt: salt, info: Array("sealdisk keystore \(version) \(purpose)".utf8),
                count: count)
        }
        seal = try AESGCMKey(derive("seal", AESGCMKey.keyLength), keepsContexts: false)
        mac = try HMACKey(derive("mac", HMACKey.tagLength))
        check = try derive("check", Self.checkLength).withUnsafeBytes { [UInt8]($0) }
    }

    static func root(
        _ secret: borrowing SecretBytes, _ scrypt: ScryptCost?, _ salt: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        guard let scrypt else { return try HKDF.extract(key: secret, salt: salt) }
        return try Scrypt.derive(
            passphrase: secret, salt: salt, cost: scrypt.n, blockSize: scrypt.r,
            parallelization: scrypt.p, count: 32)
    }

    func authenticate(_ payload: [UInt8]) throws(CryptoError) -> [UInt8] {
        try mac.authenticate(payload)
    }

    /// A new CMK of an account and region.
    func makeMasterKey(
        account: String, region: String, created: Timestamp, entropy: any Entropy
    ) throws(CryptoError) -> SealedMasterKey {
        let key = try SecretBytes.random(count: AESGCMKey.keyLength, from: entropy)
        let keyID = try UUID.random(from: entropy)
        func record(_ sealed: [UInt8]) -> SealedMasterKey {
            SealedMasterKey(
                keyID: keyID, alias: MasterKey.alias, account: account, region: region,
                created: created, sealed: HexBytes(sealed))
        }
        return record(
            try SealedKey.seal(
                key, under: seal, boundTo: Self.associatedData(record([])), entropy: entropy))
    }

    /// The same CMK with new material; what it had is kept beside it.
    func rotate(
        _ record: SealedMasterKey, at time: Timestamp, entropy: any Entropy
    ) throws(CryptoError) -> SealedMasterKey {
        let key = try SecretBytes.random(count: AESGCMKey.keyLength, from: entropy)
        let version = record.newestVersion + 1
        let sealed = try SealedKey.seal(
            key, under: seal, boundTo: Self.associatedData(record, version), entropy: entropy)
        var rotated = record.resealed(HexBytes(sealed))
        rotated.version = version
        rotated.rotated = time
        rotated.older =
            (record.older ?? [])
            + [SealedMaterial(version: record.newestVersion, sealed: record.sealed)]
        return rotated
    }

    /// With all of its material.
    func open(_ record: SealedMasterKey) throws(CryptoError) -> MasterKey {
        var material: [UInt32: AESGCMKey] = [:]
        for part in Self.material(of: record) {
            let key = try SealedKey.open(
                part.sealed.bytes, under: seal, boundTo: Self.associatedData(record, part.version))
            material[part.version] = try AESGCMKey(key, keepsContexts: false)
        }
        return MasterKey(
            keyID: record.keyID, version: record.newestVersion, material: material)
    }

    /// The same CMK, sealed for other keys.
    func reseal(
        _ record: SealedMasterKey, for other: KeystoreKeys, entropy: any Entropy
    ) throws(CryptoError) -> SealedMasterKey {
        var parts: [SealedMaterial] = []
        for part in Self.material(of: record) {
            let data = Self.associatedData(record, part.version)
            let key = try SealedKey.open(part.sealed.bytes, under: seal, boundTo: data)
            let sealed = try SealedKey.seal(
                key, under: other.seal, boundTo: data, entropy: entropy)
            parts.append(SealedMaterial(version: part.version, sealed: HexBytes(sealed)))
        }
        let newest = parts.removeLast()
        var resealed = record.resealed(newest.sealed)
        if record.older != nil { resealed.older = parts }
        return resealed
    }

    /// All versions, the oldest first; never none.
    private static func material(of record: SealedMasterKey) -> [SealedMaterial] {
        (record.older ?? [])
            + [SealedMaterial(version: record.newestVersion, sealed: record.sealed)]
    }

    private static func associatedData(
        _ record: SealedMasterKey, _ version: UInt32 = 1
    ) -> [UInt8] {
        let format = version == 1 ? 1 : 2
        var data = AssociatedData(label: "sealdisk customer master key \(format)")
        data.append(record.keyID)
        data.append(record.alias)
        data.append(record.account)
        data.append(record.region)
        data.append(record.created.seconds)
        if version > 1 { data.append(version) }
        return data.bytes
    }
}

extension SealedMasterKey {
    /// The same in all but what is sealed.
    fileprivate func resealed(_ sealed: HexBytes) -> SealedMasterKey {
        SealedMasterKey(
            keyID: keyID, alias: alias, account: account, region: region, created: created,
            sealed: sealed, version: version, rotated: rotated, older: older)
    }
}
