/// What a slot's nonce is for. A slot has two messages at most: what was meant for it, and the
/// constant that voids it; each has its own nonce, so neither can repeat the other's.
enum SlotDomain: UInt32, Sendable {
    case slot = 1
    case void = 2
}
