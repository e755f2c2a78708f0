internal import CNBD
import Glibc

/// One connection to an NBD server, used by one thread at a time.
struct NBDClient: ~Copyable {
    /// What libnbd says about the last error of this thread.
    struct Failure: Error {
        var text: String
        /// The error number of the server, such as `EIO`; 0 when there is none.
        var number: Int32

        init(_ nbd: nbd_library) {
            text = nbd.nbd_get_error().map { String(cString: $0) } ?? "unknown error"
            number = nbd.nbd_get_errno()
        }

        init(_ missing: NBDLibrary.Missing) {
            text = missing.text
            number = 0
        }
    }

    /// Length of one request, and how many are under way at once.
    private static let requestBytes = 256 << 10
    private static let maximumInFlight = 16

    private let nbd: nbd_library
    private let handle: OpaquePointer
    /// Size of the export in bytes.
    let size: UInt64
    /// What requests must be multiples of.
    let blockSize: UInt64

    /// Shakes hands over a connected socket, which this takes over.
    init(socket: Int32) throws(Failure) {
        let nbd: nbd_library
        switch NBDLibrary.loaded {
        case .success(let library): nbd = library.functions
        case .failure(let missing):
            close(socket)
            throw Failure(missing)
        }
        guard let handle = nbd.nbd_create() else {
            close(socket)
            throw Failure(nbd)
        }
        guard nbd.nbd_add_meta_context(handle, Self.allocation) == 0, nbd.nbd_set_pread_initialize(handle, false) == 0
        else {
            let failure = Failure(nbd)
            nbd.nbd_close(handle)
            close(socket)
            throw failure
        }
        // From here on the handle closes the socket, whether it can be connected or not.
        guard nbd.nbd_connect_socket(handle, socket) == 0 else {
            let failure = Failure(nbd)
            nbd.nbd_close(handle)
            throw failure
        }
        let size = nbd.nbd_get_size(handle)
        guard let exact = UInt64(exactly: size) else {
            let failure = Failure(nbd)
            nbd.nbd_close(handle)
            throw failure
        }
        self.nbd = nbd
        self.handle = handle
        self.size = exact
        blockSize = UInt64(max(1, nbd.nbd_get_block_size(handle, LIBNBD_SIZE_MINIMUM)))
    }

    deinit { nbd.nbd_close(handle) }

    private static let allocation = "base:allocation"

    /// Fills a buffer; range and buffer are multiples of ``blockSize``.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(Failure) {
        var pending: [Int64] = []
        var next = 0
        var failure: Failure?
        // After an error the answers to what is under way are awaited: they would be written to the buffer later.
        while !pending.isEmpty || (next < buffer.count && failure == nil) {
            while next < buffer.count, failure == nil, pending.count < Self.maximumInFlight {
                let count = min(Self.requestBytes, buffer.count - next)
                let cookie = nbd.nbd_aio_pread(
                    handle, buffer.baseAddress?.advanced(by: next), count, offset + UInt64(next),
                    nbd_completion_callback(), 0)
                if cookie < 0 { failure = Failure(nbd) } else { pending.append(cookie) }
                next += count
            }
            if pending.isEmpty { break }
            // When the connection breaks, nothing more is written.
            guard nbd.nbd_poll(handle, -1) >= 0 else { throw failure ?? Failure(nbd) }
            pending.removeAll { cookie in
                let state = nbd.nbd_aio_command_completed(handle, UInt64(cookie))
                if state < 0 { failure = failure ?? Failure(nbd) }
                return state != 0
            }
        }
        if let failure { throw failure }
    }

    /// What the server says about the beginning of a range: extents from `offset` on, at least one.
    func allocation(from offset: UInt64, length: UInt64) throws(Failure) -> [DiskExtent] {
        var found = Found(position: offset, end: offset + length)
        let result = withUnsafeMutablePointer(to: &found) { found in
            nbd.nbd_block_status(
                handle, length, offset,
                nbd_extent_callback(
                    callback: { data, context, _, entries, count, _ in
                        guard let data, let context, let entries, String(cString: context) == NBDClient.allocation
                        else { return 0 }
                        data.assumingMemoryBound(to: Found.self).pointee
                            .add(UnsafeBufferPointer(start: entries, count: count))
                        return 0
                    }, user_data: found, free: nil), 0)
        }
        guard result == 0 else { throw Failure(nbd) }
        return found.extents
    }

    /// Collects the pairs of length and flags of a block status.
    private struct Found {
        var position: UInt64
        let end: UInt64
        var extents: [DiskExtent] = []

        mutating func add(_ entries: UnsafeBufferPointer<UInt32>) {
            for index in stride(from: 0, to: entries.count - 1, by: 2) where position < end {
                let length = min(UInt64(entries[index]), end - position)
                if length == 0 { continue }
                let isZero = entries[index + 1] & UInt32(LIBNBD_STATE_ZERO) != 0
                extents.append(DiskExtent(offset: position, length: length, kind: isZero ? .zero : .data))
                position += length
            }
        }
    }
}
