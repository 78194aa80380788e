import ChunkStore
import CryptoPrimitives
import S3Store

extension S3Client {
    /// Finds out, with an object that nobody else names, whether the server heeds the conditions of
    /// a put, and in which form; the object is gone afterwards. Throws `.io` if it does not, and
    /// whatever else is wrong there: this is the first call that needs keys and bucket to be right,
    /// and is made before any other put on a tag.
    ///
    /// A put on a condition is sent once, so one without an answer proves nothing: then another
    /// object is tried, for as long as any other call would be.
    public func proveConditions() throws(StoreError) {
        let start = time.now()
        for attempt in 1... {
            do throws(StoreError) {
                return try proveOnce()
            } catch {
                guard error.code == .unanswered, attempt < policy.attempts,
                    time.now() - start < policy.patience
                else { throw error }
                time.sleep(for: policy.firstWait)
            }
        }
    }

    private func proveOnce() throws(StoreError) {
        let random: [UInt8]
        do throws(CryptoError) {
            random = try SystemEntropy().bytes(16)
        } catch {
            throw StoreError(.io, operation: "PUT", cause: error.message)
        }
        let key = ObjectKey("proof-\(Hex.text(random))")
        do throws(StoreError) {
            try prove(with: key)
        } catch {
            // The first failure is the one to tell.
            try? delete(key)
            throw error
        }
        try delete(key)
    }

    private func prove(with key: ObjectKey) throws(StoreError) {
        let first = try put("first", key, .absent)
        guard try isRefused(key, .absent, by: .alreadyExists) else {
            throw unfit("it overwrote an object that a put asked to find absent (If-None-Match)")
        }
        let second = try replace(key, first)
        guard try isRefused(key, .tag(ObjectTag("0123456789abcdef0123456789abcdef")), by: .conflict)
        else { throw unfit("it overwrote an object of another ETag than a put named (If-Match)") }
        guard second != first else {
            throw unfit("objects of different contents have the same ETag")
        }
        guard try isRefused(key, .tag(first), by: .conflict) else {
            throw unfit("it overwrote an object by the ETag that it had before (If-Match)")
        }
    }

    /// Replaces the object by its tag. HTTP has tags in quotes; some versions of radosgw compare
    /// them, quotes and all, with what has none.
    private func replace(_ key: ObjectKey, _ tag: ObjectTag) throws(StoreError) -> ObjectTag {
        for isBare in [false, true] {
            sendsBareTags.store(isBare, ordering: .relaxed)
            do throws(StoreError) {
                return try put("second", key, .tag(tag))
            } catch {
                guard error.code == .conflict else { throw error }
            }
        }
        sendsBareTags.store(false, ordering: .relaxed)
        throw unfit("it does not replace an object by the ETag that it gave (If-Match)")
    }

    private func isRefused(
        _ key: ObjectKey, _ condition: PutCondition, by code: StoreError.Code
    ) throws(StoreError) -> Bool {
        do throws(StoreError) {
            _ = try put("other", key, condition)
            return false
        } catch {
            if error.code == code { return true }
            throw error
        }
    }

    private func put(
        _ text: String, _ key: ObjectKey, _ condition: PutCondition
    ) throws(StoreError) -> ObjectTag {
        let bytes = Array(text.utf8)
        return try bytes.withUnsafeBufferPointer { (bytes) throws(StoreError) in
            try put(key, UnsafeRawBufferPointer(bytes), if: condition)
        }
    }

    private func unfit(_ finding: String) -> StoreError {
        StoreError(
            .io, operation: "\(place) at \(place.endpoint)",
            cause: "this server does not heed the conditions of a PUT: \(finding). Two hosts could"
                + " take the same disk there and neither would know. Use a server that does (AWS"
                + " S3, Ceph's radosgw, MinIO, SeaweedFS), or a newer version of this one")
    }
}
