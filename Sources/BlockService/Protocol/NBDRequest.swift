/// A request of the transmission phase: u32 magic, u16 flags, u16 type, u64 handle, u64 offset, u32 length.
struct NBDRequest: Hashable, Sendable {
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
    static func read(_ input: inout InputBuffer) throws(Malformed) -> NBDRequest? {
        if let magic = input.integer(as: UInt32.self), magic != NBDWire.requestMagic { throw Malformed() }
        guard let flags = input.integer(at: 4, as: UInt16.self), let type = input.integer(at: 6, as: UInt16.self),
            let handle = input.integer(at: 8, as: UInt64.self), let offset = input.integer(at: 16, as: UInt64.self),
            let length = input.integer(at: 24, as: UInt32.self)
        else { return nil }
        input.skip(NBDWire.requestLength)
        return NBDRequest(flags: flags, type: type, handle: handle, offset: offset, length: length)
    }

    /// Bytes that the request or its reply may hold in memory.
    var cost: Int {
        command == .read || command == .write ? Int(min(length, NBDWire.maximumPayload)) : 0
    }

    /// Bytes that follow the request.
    var payloadLength: Int { command == .write ? Int(length) : 0 }
}
