/// Feature bits (virtio 1.1, 2.2 and 6, and the devices' sections).
package struct VirtioFeatures: OptionSet, Sendable, Hashable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Interrupt when the queue runs empty (virtio 0.9 only).
    static let notifyOnEmpty = VirtioFeatures(rawValue: 1 << 24)
    static let anyLayout = VirtioFeatures(rawValue: 1 << 27)
    static let indirectDescriptors = VirtioFeatures(rawValue: 1 << 28)
    static let eventIndex = VirtioFeatures(rawValue: 1 << 29)
    /// A driver that accepts this bit understands no features at all (QEMU's VIRTIO_F_BAD_FEATURE, legacy only).
    static let bad = VirtioFeatures(rawValue: 1 << 30)
    static let version1 = VirtioFeatures(rawValue: 1 << 32)
    static let packedRing = VirtioFeatures(rawValue: 1 << 34)
    /// A queue can be reset by itself (virtio 1.2, 6).
    static let ringReset = VirtioFeatures(rawValue: 1 << 40)

    /// Bits that are offered in the legacy interface alone.
    static let legacy: VirtioFeatures = [.notifyOnEmpty, .anyLayout, .bad]
    /// What QEMU 7.2 offers for every virtio device.
    static let transport: VirtioFeatures = [
        .notifyOnEmpty, .anyLayout, .indirectDescriptors, .eventIndex, .bad, .version1, .ringReset,
    ]
}

/// Bits of the device status (virtio 1.1, 2.1).
package struct VirtioStatus: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let acknowledge = VirtioStatus(rawValue: 1)
    package static let driver = VirtioStatus(rawValue: 2)
    package static let driverOK = VirtioStatus(rawValue: 4)
    package static let featuresOK = VirtioStatus(rawValue: 8)
    package static let needsReset = VirtioStatus(rawValue: 0x40)
    package static let failed = VirtioStatus(rawValue: 0x80)
}
