/// The reply to one request, whole: headers and data in one piece of memory.
struct NBDReply: Sendable {
    private let memory: Memory
    private(set) var count = 0
    private let handle: UInt64

    /// - Parameter capacity: Bytes that the reply will have at most.
    init(_ handle: UInt64, capacity: Int = 64, pool: MemoryPool) {
        self.handle = handle
        memory = pool.memory(count: capacity)
    }

    /// Bytes that are neither to a request nor counted: those of the handshake.
    init(_ bytes: [UInt8]) {
        handle = 0
        memory = Memory(count: bytes.count)
        memory.bytes.copyBytes(from: bytes)
        count = bytes.count
    }

    /// What is sent.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory.bytes[..<count]) }

    /// Keeps the memory alive while `body` runs.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withExtendedLifetime(memory) { body(bytes) }
    }

    mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        let size = MemoryLayout<Number>.size
        precondition(count + size <= memory.bytes.count)
        memory.bytes.storeBytes(of: number.bigEndian, toByteOffset: count, as: Number.self)
        count += size
    }

    mutating func append(_ text: String) {
        let text = Array(text.utf8)
        precondition(count + text.count <= memory.bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: memory.bytes[count...]).copyBytes(from: text)
        count += text.count
    }

    /// Room for `length` bytes, which count from now on and are to be filled.
    mutating func space(_ length: Int) -> UnsafeMutableRawBufferPointer {
        precondition(length >= 0 && count + length <= memory.bytes.count)
        defer { count += length }
        return UnsafeMutableRawBufferPointer(rebasing: memory.bytes[count..<count + length])
    }

    /// Begins again.
    mutating func clear() { count = 0 }

    /// Writes a simple reply's header: u32 magic, u32 error, u64 handle. Data follows when the error is 0.
    mutating func simple(_ error: UInt32) {
        append(NBDWire.simpleReplyMagic)
        append(error)
        append(handle)
    }

    /// Writes a structured chunk's header: u32 magic, u16 flags, u16 type, u64 handle, u32 length of what follows.
    mutating func chunk(_ type: NBDWire.Chunk, isLast: Bool, length: Int) {
        append(NBDWire.chunkMagic)
        append(isLast ? NBDWire.chunkDone : 0)
        append(type.rawValue)
        append(handle)
        append(UInt32(truncatingIfNeeded: length))
    }
}
