import BlockService
import Synchronization

/// A disk in memory that records what is done to it.
final class WritableDisk: WritableBlockSource {
    enum Call: Equatable {
        case write(UInt64, Int)
        case zero(UInt64, UInt64, isAllocated: Bool)
        case flush
    }

    struct Broken: Error {}

    private struct State {
        var bytes: [UInt8]
        var calls: [Call] = []
    }

    let size: UInt64
    private let state: Mutex<State>
    /// Called before each change, on the thread that makes it.
    private let beforeChange: @Sendable () throws -> Void

    init(size: Int, beforeChange: @escaping @Sendable () throws -> Void = {}) {
        self.size = UInt64(size)
        state = Mutex(State(bytes: [UInt8](repeating: 0, count: size)))
        self.beforeChange = beforeChange
    }

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var calls: [Call] { state.withLock { $0.calls } }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        state.withLock { copyBytes($0.bytes, from: Int(offset), into: buffer) }
    }

    func extents(from offset: UInt64, length: UInt64) throws -> [BlockExtent] {
        [BlockExtent(offset: offset, length: length, isZero: false)]
    }

    /// The subscript traps when the server lets bytes outside through, which a test must notice.
    func write(at offset: UInt64, from bytes: UnsafeRawBufferPointer) throws {
        try beforeChange()
        state.withLock { state in
            state.calls.append(.write(offset, bytes.count))
            state.bytes.replaceSubrange(Int(offset)..<Int(offset) + bytes.count, with: bytes)
        }
    }

    func zero(at offset: UInt64, length: UInt64, isAllocated: Bool) throws {
        try beforeChange()
        state.withLock { state in
            state.calls.append(.zero(offset, length, isAllocated: isAllocated))
            let zeros = [UInt8](repeating: 0, count: Int(length))
            state.bytes.replaceSubrange(Int(offset)..<Int(offset) + zeros.count, with: zeros)
        }
    }

    func flush() throws {
        try beforeChange()
        state.withLock { $0.calls.append(.flush) }
    }
}

/// Not inlined: Swift 6.3.1 turns a memcpy at the end of a throwing function into a jump that can leave a stray value in the register
/// of the thrown error.
@inline(never) func copyBytes(_ bytes: [UInt8], from start: Int, into buffer: UnsafeMutableRawBufferPointer) {
    bytes.withUnsafeBytes {
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + buffer.count]))
    }
}

extension BlockSource {
    /// Bytes of the disk.
    func bytes(at offset: UInt64 = 0, count: Int? = nil) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xee, count: count ?? Int(size - offset))
        try bytes.withUnsafeMutableBytes { try read(at: offset, into: $0) }
        return bytes
    }
}

extension WritableBlockSource {
    func write(_ bytes: [UInt8], at offset: UInt64) throws {
        try bytes.withUnsafeBytes { try write(at: offset, from: $0) }
    }
}
