import NIOCore
import NIOPosix
import Synchronization

/// One client on its event loop: negotiates, then answers requests out of order.
///
/// Reading is by hand (`autoRead` off): the socket is read only while there is room for another request, and a request takes room until its
/// reply has been written out.
final class NBDConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case negotiation(NBDNegotiation)
        case transmission(NBDSession)
        /// No more input is taken; closes when nothing is in flight.
        case ending
    }

    /// Told to the pool's threads when the client is gone.
    private final class Liveness: Sendable {
        let isAlive = Atomic(true)
    }

    private let limits: NBDServer.Limits
    private let pool: NIOThreadPool
    private let onFailure: @Sendable (NBDFailure) -> Void
    private let liveness = Liveness()
    private var phase: Phase
    private var input = ByteBuffer()
    /// Bytes of a WRITE's payload that are still to be thrown away.
    private var skippedBytes = 0
    private var requestsInFlight = 0
    private var bytesInFlight = 0
    /// A read has been asked of the channel and not been answered yet.
    private var isReading = false

    init(
        table: NBDExportTable, limits: NBDServer.Limits, pool: NIOThreadPool,
        onFailure: @escaping @Sendable (NBDFailure) -> Void
    ) {
        self.limits = limits
        self.pool = pool
        self.onFailure = onFailure
        phase = .negotiation(NBDNegotiation(table))
    }

    func channelActive(context: ChannelHandlerContext) {
        send(NBDNegotiation.greeting, cost: 0, context: context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        liveness.isAlive.store(false, ordering: .relaxed)
        phase = .ending
        input = ByteBuffer()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if case .ending = phase { return }
        input.writeBuffer(&bytes)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        process(context: context)
    }

    /// Takes what the input holds and there is room for, then reads on.
    private func process(context: ChannelHandlerContext) {
        while context.channel.isActive {
            switch phase {
            case .ending:
                if requestsInFlight == 0 { context.close(promise: nil) }
                return
            case .negotiation(var negotiation):
                // One option at a time: its reply is out before the next is looked at.
                guard requestsInFlight == 0 else { return }
                let step = negotiation.step(&input)
                phase = .negotiation(negotiation)
                guard take(step, context: context) else { return readMore(context: context) }
            case .transmission(let session):
                skippedBytes -= input.skip(atMost: skippedBytes)
                guard skippedBytes == 0 else { return readMore(context: context) }
                guard hasRoom else { return }
                do throws(NBDRequest.Malformed) {
                    guard let request = try NBDRequest.read(&input) else { return readMore(context: context) }
                    take(request, session: session, context: context)
                } catch {
                    phase = .ending
                }
            }
        }
    }

    /// - Returns: false when more bytes are needed.
    private func take(_ step: NBDNegotiation.Step, context: ChannelHandlerContext) -> Bool {
        switch step {
        case .needsInput: return false
        case .reply(let bytes): send(bytes, cost: 0, context: context)
        case .enter(let session, let bytes):
            phase = .transmission(session)
            send(bytes, cost: 0, context: context)
        case .close(let bytes):
            phase = .ending
            send(bytes, cost: 0, context: context)
        }
        return true
    }

    private func take(_ request: NBDRequest, session: NBDSession, context: ChannelHandlerContext) {
        if request.command == .disconnect || request.payloadLength > Int(NBDWire.maximumPayload) {
            phase = .ending
            return
        }
        skippedBytes = request.payloadLength
        requestsInFlight += 1
        bytesInFlight += request.cost
        let reply = pool.runIfActive(eventLoop: context.eventLoop) { [liveness, onFailure] in
            guard liveness.isAlive.load(ordering: .relaxed) else { throw CancellationError() }
            let (bytes, failure) = session.reply(to: request)
            if let failure {
                onFailure(
                    NBDFailure(
                        export: session.export.name, offset: request.offset, length: request.length, error: failure))
            }
            return bytes
        }
        reply.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let bytes): self.send(bytes, cost: request.cost, isCounted: true, context: context)
            case .failure:
                self.finish(cost: request.cost, context: context)
                context.close(promise: nil)
            }
        }
    }

    private var hasRoom: Bool {
        requestsInFlight == 0
            || (requestsInFlight < limits.requestsPerConnection && bytesInFlight < limits.bytesPerConnection)
    }

    private func readMore(context: ChannelHandlerContext) {
        if input.readableBytes == 0 { input.clear() } else { input.discardReadBytes() }
        guard !isReading else { return }
        isReading = true
        context.read()
    }

    /// Writes a reply, which counts as in flight until it is out.
    private func send(
        _ bytes: ByteBuffer, cost: Int, isCounted: Bool = false, context: ChannelHandlerContext
    ) {
        if !isCounted { requestsInFlight += 1 }
        guard context.channel.isActive else { return finish(cost: cost, context: context) }
        context.writeAndFlush(wrapOutboundOut(bytes)).assumeIsolated().whenComplete { _ in
            self.finish(cost: cost, context: context)
        }
    }

    private func finish(cost: Int, context: ChannelHandlerContext) {
        requestsInFlight -= 1
        bytesInFlight -= cost
        process(context: context)
    }
}

extension ByteBuffer {
    /// Throws away up to `count` bytes.
    ///
    /// - Returns: How many.
    fileprivate mutating func skip(atMost count: Int) -> Int {
        let skipped = min(count, readableBytes)
        moveReaderIndex(forwardBy: skipped)
        return skipped
    }
}
