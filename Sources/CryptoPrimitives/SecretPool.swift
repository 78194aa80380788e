import COpenSSL
import Synchronization

/// Where the process's small secrets lie: slots of one size, many to a locked page, because locked
/// memory is scarce (a key for each open chunk, and a usual limit of 8 MiB or less). A page is
/// unmapped with its last secret.
///
/// Invariants: a slot has one owner, and holds zeros while it has none. The last slot of a page is
/// given to nobody; it holds the page's mark.
final class SecretPool: Sendable {
    static let shared = SecretPool()

    /// Bytes of a slot: a key.
    static let slotSize = 32

    private let pages = Mutex<[Page]>([])

    // @unchecked: the memory belongs to the owners of its slots, who alone write to them.
    private struct Page: @unchecked Sendable {
        let memory: UnsafeMutableRawBufferPointer
        /// Indexes of the slots that nobody has.
        var free: [Int]

        var slotCount: Int { memory.count / SecretPool.slotSize - 1 }
    }

    /// A slot of zeros, and the mark of its page. Throws `.lockedMemory`.
    func take() throws(CryptoError) -> (
        slot: UnsafeMutableRawBufferPointer, mark: UnsafeRawPointer
    ) {
        let address = try pages.withLock { pages throws(CryptoError) -> Address in
            // The latest pages are last: those before them are full, but for what was freed.
            let found = pages.lastIndex { !$0.free.isEmpty }
            let index: Int
            if let found {
                index = found
            } else {
                pages.append(try Self.makePage())
                index = pages.count - 1
            }
            // Not empty: found so, or new.
            let slot = pages[index].free.removeLast()
            return Address(page: pages[index].memory, offset: slot * Self.slotSize)
        }
        let end = address.offset + Self.slotSize
        let slot = UnsafeMutableRawBufferPointer(rebasing: address.page[address.offset..<end])
        // A page has a base address.
        return (slot, UnsafeRawPointer(address.page.baseAddress! + address.page.count - 1))
    }

    /// Wipes a slot and gives it back.
    func giveBack(_ slot: UnsafeMutableRawBufferPointer) {
        OPENSSL_cleanse(slot.baseAddress, slot.count)
        // Both are parts of mappings, which have addresses.
        let start = Address(page: slot, offset: 0)
        pages.withLock { pages in
            let address = UInt(bitPattern: start.page.baseAddress)
            let index = pages.firstIndex {
                let base = UInt(bitPattern: $0.memory.baseAddress)
                return address >= base && address < base + UInt($0.memory.count)
            }
            // A slot comes from a page of the pool, and keeps it mapped.
            guard let index else { preconditionFailure("a slot of no page was given back") }
            let base = UInt(bitPattern: pages[index].memory.baseAddress)
            pages[index].free.append(Int(address - base) / Self.slotSize)
            if pages[index].free.count == pages[index].slotCount {
                SecretPages.unmap(pages.remove(at: index).memory)
            }
        }
    }

    // @unchecked: as for `Page`.
    private struct Address: @unchecked Sendable {
        let page: UnsafeMutableRawBufferPointer
        let offset: Int
    }

    private static func makePage() throws(CryptoError) -> Page {
        let memory = try SecretPages.map(SecretPages.pageSize)
        memory[memory.count - 1] = SecretBytes.mark
        var page = Page(memory: memory, free: [])
        page.free = Array((0..<page.slotCount).reversed())
        return page
    }
}
