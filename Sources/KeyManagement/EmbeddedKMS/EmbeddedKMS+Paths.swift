extension EmbeddedKMS {
    /// The key files that the keystore names, as it claims; none without a keystore. Throws `.io`.
    public var rememberedKeyFiles: [String] {
        get throws(KeyError) {
            try keystore.read()?.claimed.unlockers.compactMap(\.keyFile) ?? []
        }
    }
}
