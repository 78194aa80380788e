/// Counts what one input has allocated and not freed, by the sanitizer's hooks, and stops the run
/// beyond 100 MiB: the process's own size would count libFuzzer's corpus, too.
enum MemoryMeter {
    private static let limit = 100 << 20
    // Only libFuzzer's one thread changes them, within an input.
    nonisolated(unsafe) private static var isOn = false
    nonisolated(unsafe) private static var live = 0

    static func install() {
        // Swift's closures here capture nothing, so they are C functions.
        _ = installHooks(
            { _, size in MemoryMeter.allocated(size) },
            { pointer in MemoryMeter.freed(pointer) })
    }

    static func begin() {
        live = 0
        isOn = true
    }

    static func end() { isOn = false }

    private static func allocated(_ size: Int) {
        guard isOn else { return }
        live += size
        if live > limit {
            isOn = false
            require(false, "one input takes more than \(limit) bytes of memory")
        }
    }

    private static func freed(_ pointer: UnsafeRawPointer?) {
        if isOn, let pointer { live -= allocatedSize(pointer) }
    }
}

// C functions of the sanitizer: their few words are passed alike in both conventions.
@_silgen_name("__sanitizer_install_malloc_and_free_hooks")
private func installHooks(
    _ allocated: @convention(c) (UnsafeRawPointer?, Int) -> Void,
    _ freed: @convention(c) (UnsafeRawPointer?) -> Void
) -> Int32

@_silgen_name("__sanitizer_get_allocated_size")
private func allocatedSize(_ pointer: UnsafeRawPointer) -> Int
