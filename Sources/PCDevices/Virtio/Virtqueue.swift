/// A split virtqueue (virtio 1.1, 2.6), as the device sees it.
///
/// The ring lies in guest memory; this is where, and how far the device has come. A ring that makes no sense is an error, which
/// the device reports as "needs reset": nothing here loops longer than the ring is.
package struct Virtqueue: Sendable, Hashable {
    /// The largest size that QEMU knows, and the bound of a descriptor chain.
    static let maximumSize: UInt16 = 1024

    /// A ring that the driver has made wrong.
    struct RingError: Error, Sendable, Hashable {
        let reason: String
    }

    /// Number of descriptors; 0 when the queue does not exist.
    package var size: UInt16
    /// What a reset sets `size` to.
    let defaultSize: UInt16
    /// Guest-physical addresses of descriptor table, available ring and used ring; 0 before they are set.
    package var descriptors: UInt64 = 0
    package var available: UInt64 = 0
    package var used: UInt64 = 0
    /// Next entry of the available ring that the device will take.
    package var lastAvailable: UInt16 = 0
    /// Next entry of the used ring that the device will fill.
    package var usedIndex: UInt16 = 0
    /// The value of `usedIndex` at the last interrupt; nil when there was none, and the next one is sent in any case.
    package var signalledUsed: UInt16?
    /// MSI-X vector.
    package var vector: UInt16 = MSIX.unassigned
    /// Registers of the modern interface that take effect when the queue is enabled.
    var modern = ModernRegisters()

    /// What the driver has written to the common configuration (QEMU's VirtIOPCIQueue).
    struct ModernRegisters: Sendable, Hashable {
        var size: UInt16 = 0
        var isEnabled = false
        var descriptors: UInt64 = 0
        var available: UInt64 = 0
        var used: UInt64 = 0
    }

    package init(size: UInt16) {
        self.size = min(size, Self.maximumSize)
        defaultSize = self.size
    }

    /// The queue was set up and can be used.
    package var isReady: Bool { size > 0 && descriptors != 0 && available != 0 && used != 0 }

    /// Back to the state before the driver came.
    mutating func reset() {
        self = Virtqueue(size: defaultSize)
    }

    /// Sets the three addresses of a legacy queue from its page (virtio 1.1, 2.6.2): the used ring is aligned to 4096.
    mutating func setLegacyAddress(_ address: UInt64) {
        descriptors = address
        available = address == 0 ? 0 : address &+ 16 &* UInt64(size)
        used = address == 0 ? 0 : (available &+ 4 &+ 2 &* UInt64(size) &+ 4095) & ~4095
    }
}
