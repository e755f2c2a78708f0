import CNBD
import DiskImage
import Foundation
import Workflow

/// A client of an NBD server, through libnbd.
struct NBDReader: ~Copyable {
    private let nbd: nbd_library
    private let handle: OpaquePointer

    init(uri: String) throws {
        let nbd = try Self.library()
        let handle = try Self.connect(uri, nbd)
        self.nbd = nbd
        self.handle = handle
    }

    private static func library() throws -> nbd_library {
        switch NBDLibrary.loaded {
        case .success(let library): return library.functions
        case .failure(let missing): throw WorkflowError(.unavailable, missing.text)
        }
    }

    private static func connect(_ uri: String, _ nbd: nbd_library) throws -> OpaquePointer {
        guard let handle = nbd.nbd_create() else { throw failure("be used", nbd) }
        guard nbd.nbd_connect_uri(handle, uri) == 0 else {
            let failure = failure("connect to \(uri)", nbd)
            nbd.nbd_close(handle)
            throw failure
        }
        return handle
    }

    deinit { nbd.nbd_close(handle) }

    /// Reads `size` bytes at each of the offsets, with up to `depth` requests on the way; returns the seconds.
    func read(_ offsets: [UInt64], size: Int, depth: Int) throws -> Double {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size * depth, alignment: 4096)
        defer { buffer.deallocate() }
        let clock = ContinuousClock()
        let start = clock.now
        // The request in each slot of the buffer.
        var slots = [Int64](repeating: 0, count: depth)
        var next = 0
        var done = 0
        while done < offsets.count {
            for slot in slots.indices where slots[slot] == 0 && next < offsets.count {
                let target = buffer.baseAddress.map { $0 + slot * size }
                let cookie = nbd.nbd_aio_pread(handle, target, size, offsets[next], nbd_completion_callback(), 0)
                guard cookie > 0 else { throw Self.failure("read", nbd) }
                slots[slot] = cookie
                next += 1
            }
            guard nbd.nbd_poll(handle, -1) >= 0 else { throw Self.failure("read", nbd) }
            for slot in slots.indices where slots[slot] != 0 {
                let state = nbd.nbd_aio_command_completed(handle, UInt64(slots[slot]))
                guard state >= 0 else { throw Self.failure("read", nbd) }
                if state > 0 {
                    slots[slot] = 0
                    done += 1
                }
            }
        }
        return (clock.now - start) / .seconds(1)
    }

    private static func failure(_ what: String, _ nbd: nbd_library) -> WorkflowError {
        WorkflowError(
            .io, "libnbd cannot \(what): \(nbd.nbd_get_error().map { String(cString: $0) } ?? "no reason given")")
    }
}
