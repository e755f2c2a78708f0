import Glibc
import Synchronization

/// Zeroed memory from the system for whole pages: 4 KiB each, in slabs that are never moved.
///
/// Pages are handed out one by one and go back one by one, zeroed; slabs go back to the system all at once in `deinit`. What was never
/// written takes no memory of the host. Any thread may take and give back.
final class PageSlabs: Sendable {
    /// Pages of 4096 bytes that a slab holds.
    private static let slabPages = 256
    private static let slabBytes = slabPages * 4096

    private struct State {
        var slabs: [UInt] = []
        /// Pages of the last slab that were handed out.
        var used = PageSlabs.slabPages
        /// Addresses of pages that came back, all zeros.
        var spare: [UInt] = []
    }

    private let state = Mutex(State())

    deinit {
        state.withLock { state in
            for slab in state.slabs { munmap(UnsafeMutableRawPointer(bitPattern: slab), Self.slabBytes) }
        }
    }

    /// A page of zeros, nil when the host has no memory left.
    func take() -> UnsafeMutableRawPointer? {
        let address: UInt = state.withLock { state in
            if let page = state.spare.popLast() { return page }
            if state.used == Self.slabPages {
                guard let slab = HostPages.map(byteCount: Self.slabBytes) else { return 0 }
                state.slabs.append(UInt(bitPattern: slab))
                state.used = 0
            }
            defer { state.used += 1 }
            return (state.slabs.last ?? 0) + UInt(state.used) * 4096
        }
        return UnsafeMutableRawPointer(bitPattern: address)
    }

    /// Takes a page back that nobody uses any more.
    ///
    /// - Parameter isZero: it holds zeros only.
    func giveBack(_ page: UnsafeMutableRawPointer, isZero: Bool) {
        if !isZero { page.initializeMemory(as: UInt8.self, repeating: 0, count: 4096) }
        let address = UInt(bitPattern: page)
        state.withLock { $0.spare.append(address) }
    }
}

/// Anonymous memory of the host: zeros that take no room until they are touched.
enum HostPages {
    /// - Returns: memory at a multiple of the host's page size, to be given back with `munmap`; nil when there is none.
    static func map(byteCount: Int) -> UnsafeMutableRawPointer? {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0), memory != MAP_FAILED
        else { return nil }
        return memory
    }
}
