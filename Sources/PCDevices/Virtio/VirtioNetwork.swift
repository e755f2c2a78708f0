/// A virtio network card (virtio 1.1, 5.1) whose cable is unplugged: what is sent is dropped, nothing arrives.
package struct VirtioNetwork: Sendable, Hashable {
    private static let controlQueue = VirtioFeatures(rawValue: 1 << 17)
    private static let multipleQueues = VirtioFeatures(rawValue: 1 << 22)
    /// MAC, STATUS, CTRL_VQ, CTRL_RX, CTRL_VLAN, CTRL_RX_EXTRA, GUEST_ANNOUNCE, CTRL_MAC_ADDR, MRG_RXBUF: features of QEMU 7.2 that need no peer.
    static let offered = VirtioFeatures(
        rawValue: 1 << 5 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 23)

    package init() {}

    /// What happens to the requests of a queue.
    enum QueueKind { case receive, transmit, control }

    /// Queues are pairs of receive and transmit; the last one is for control, when it was negotiated (5.1.2).
    func kind(_ queue: Int, of count: Int, _ features: VirtioFeatures) -> QueueKind {
        let control = features.contains(Self.multipleQueues) ? count - 1 : 2
        if queue == control, features.contains(Self.controlQueue) { return .control }
        return queue % 2 == 0 ? .receive : .transmit
    }

    /// Answers a request of the control queue (5.1.6.5) with success: a driver waits for it with a busy loop.
    func control<Memory: PhysicalMemory & ~Copyable>(
        _ chain: DescriptorChain, memory: inout Memory
    ) throws(Virtqueue.RingError) -> UInt32 {
        guard chain.readableByteCount >= 2, chain.writableByteCount >= 1 else {
            throw Virtqueue.RingError(reason: "a control request without header or status")
        }
        guard chain.writable.scatter([0], to: &memory) else {
            throw Virtqueue.RingError(reason: "a request outside of memory")
        }
        return 1
    }

    /// The configuration (5.1.4) with the link down: field `status`, bit 0.
    func configuration(_ saved: [UInt8]) -> [UInt8] {
        var bytes = saved
        if bytes.count > 6 { bytes[6] &= ~1 }
        return bytes
    }
}
