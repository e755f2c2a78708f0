import NIOCore

/// A request of the transmission phase: u32 magic, u16 flags, u16 type, u64 handle, u64 offset, u32 length.
struct NBDRequest: Equatable, Sendable {
    var flags: UInt16
    var type: UInt16
    /// Chosen by the client, sent back with the reply.
    var handle: UInt64
    var offset: UInt64
    var length: UInt32

    var command: NBDWire.Command? { NBDWire.Command(rawValue: type) }

    /// The bytes do not begin with the magic of a request.
    struct Malformed: Error {}

    /// Takes a request from the input.
    ///
    /// - Returns: nil when it is not complete yet.
    static func read(_ input: inout ByteBuffer) throws(Malformed) -> NBDRequest? {
        if let magic = input.getInteger(at: input.readerIndex, as: UInt32.self), magic != NBDWire.requestMagic {
            throw Malformed()
        }
        guard input.readableBytes >= NBDWire.requestLength,
            let fields = input.readMultipleIntegers(
                as: (UInt32, UInt16, UInt16, UInt64, UInt64, UInt32).self)
        else { return nil }
        return NBDRequest(flags: fields.1, type: fields.2, handle: fields.3, offset: fields.4, length: fields.5)
    }

    /// Bytes that a reply may hold in memory.
    var cost: Int { command == .read ? Int(min(length, NBDWire.maximumPayload)) : 0 }

    /// Bytes that follow the request.
    var payloadLength: Int { command == .write ? Int(length) : 0 }
}
