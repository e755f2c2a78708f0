/// One client's side of the protocol, from its first byte to its last, without I/O.
///
/// The owner feeds the input and asks for events until one wants more bytes.
struct NBDConversation {
    enum Event {
        /// More bytes are needed.
        case needsInput
        /// Bytes of the handshake to be sent before the next event is asked for.
        case send([UInt8])
        /// A request to be answered. The payload, if it has one, is next in the input: the owner takes it.
        case request(NBDRequest, NBDSession)
        /// The client is to be sent these bytes, and everything that is in flight, and then nothing more.
        case end([UInt8])
    }

    private enum Phase {
        case negotiation(NBDNegotiation)
        case transmission(NBDSession)
        case ended
    }

    private var phase: Phase

    init(_ table: NBDExportTable, pool: MemoryPool) {
        phase = .negotiation(NBDNegotiation(table, pool: pool))
    }

    /// What the next bytes of the input are.
    mutating func next(_ input: inout InputBuffer) -> Event {
        switch phase {
        case .ended: return .end([])
        case .negotiation(var negotiation):
            let step = negotiation.step(&input)
            phase = .negotiation(negotiation)
            switch step {
            case .needsInput: return .needsInput
            case .reply(let bytes): return .send(bytes)
            case .enter(let session, let bytes):
                phase = .transmission(session)
                return .send(bytes)
            case .close(let bytes):
                phase = .ended
                return .end(bytes)
            }
        case .transmission(let session):
            do throws(NBDRequest.Malformed) {
                guard let request = try NBDRequest.read(&input) else { return .needsInput }
                // Payloads above the limit are not even skipped.
                if request.command == .disconnect || request.payloadLength > Int(NBDWire.maximumPayload) {
                    phase = .ended
                    return .end([])
                }
                return .request(request, session)
            } catch {
                phase = .ended
                return .end([])
            }
        }
    }
}
