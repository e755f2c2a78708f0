import NIOCore

/// Turns the bytes of the socket into messages for a session.
final class QMPChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let session: QMPSession
    private var splitter: QMPLineSplitter

    init(session: QMPSession, limit: Int) {
        self.session = session
        self.splitter = QMPLineSplitter(limit: limit)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        let bytes = buffer.readBytes(length: buffer.readableBytes) ?? []
        do {
            try splitter.append(bytes) { session.receive(try QMPMessage(line: $0)) }
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        session.end(
            HypervisorError(.disconnected, "The connection to QEMU's monitor ended: QEMU has ended or closed it."))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        session.end(
            error as? HypervisorError
                ?? HypervisorError(.disconnected, "The connection to QEMU's monitor broke.", cause: "\(error)"))
        context.close(promise: nil)
    }
}
