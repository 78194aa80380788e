extension EmbeddedKMS {
    /// The key file that the keystore names (the first, if several), as it claims; nil if it names
    /// none or is not there.
    public var rememberedKeyFile: String? {
        get throws(KeyError) {
            try keystore.read()?.claimed.unlockers.lazy.compactMap(\.keyFile).first
        }
    }
}
