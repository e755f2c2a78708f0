import NIOCore

/// Builds the reply to one request.
struct NBDReply {
    var buffer: ByteBuffer
    private let handle: UInt64

    /// - Parameter capacity: Bytes that the reply will have, as far as known.
    init(_ handle: UInt64, capacity: Int = 64) {
        self.handle = handle
        buffer = ByteBufferAllocator().buffer(capacity: capacity)
    }

    /// Writes a simple reply's header: u32 magic, u32 error, u64 handle. Data follows when the error is 0.
    mutating func simple(_ error: UInt32) {
        buffer.writeInteger(NBDWire.simpleReplyMagic)
        buffer.writeInteger(error)
        buffer.writeInteger(handle)
    }

    /// Writes a structured chunk's header: u32 magic, u16 flags, u16 type, u64 handle, u32 length of what follows.
    mutating func chunk(_ type: NBDWire.Chunk, isLast: Bool, length: Int) {
        buffer.writeInteger(NBDWire.chunkMagic)
        buffer.writeInteger(isLast ? NBDWire.chunkDone : 0)
        buffer.writeInteger(type.rawValue)
        buffer.writeInteger(handle)
        buffer.writeInteger(UInt32(length))
    }
}
