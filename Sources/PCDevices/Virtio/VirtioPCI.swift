/// A virtio device on the PCI bus, transitional as QEMU's `virtio-blk-pci` is: the legacy interface in ports (virtio 1.1, 4.1.4.8) and
/// the modern one in memory (4.1.4).
///
/// Requests are carried out when the driver notifies the queue, before the write that notifies returns.
package struct VirtioPCI: Sendable {
    /// PCI vendor of all virtio devices (4.1.2).
    package static let vendor: UInt16 = 0x1AF4
    /// Number of queues in QEMU's sections, used or not.
    static let maximumQueues = 1024

    /// What the transport carries.
    package enum Model: Sendable {
        case block(VirtioBlock)
        case entropy(VirtioEntropy)
        case network(VirtioNetwork)
    }

    package var model: Model
    package internal(set) var status: VirtioStatus = []
    /// Bit 0: a queue; bit 1: the configuration (4.1.4.5).
    var interruptStatus: UInt8 = 0
    /// The INTx line, before the command register's disable bit.
    package internal(set) var interruptLine = false
    package internal(set) var queues: [Virtqueue] = []
    var queueSelect: UInt16 = 0
    var deviceFeatureSelect: UInt32 = 0
    var driverFeatureSelect: UInt32 = 0
    /// What the driver has accepted, as it is in effect.
    package internal(set) var features: VirtioFeatures = []
    /// The two halves as the modern interface shows them again.
    var acceptedHalves: [UInt32] = [0, 0]
    var configurationVector: UInt16 = MSIX.unassigned
    var generation: UInt8 = 0
    /// The device's own configuration, as QEMU keeps it.
    var configuration: [UInt8] = []
    package internal(set) var msix: MSIX?
    /// Places of the modern interface.
    var capabilities: [VirtioCapability] = []
    /// QEMU's `started`: the driver has come so far that the device works.
    var isStarted = false
    /// The driver has made an error; nothing happens until a reset.
    package internal(set) var isBroken = false
    /// The command register allows DMA.
    var isBusMaster = false
    /// A driver of old wants bus mastering without asking for it: the bus sets the bit.
    var wantsBusMaster = false
    /// Where the section's parts lie; nil for a device that did not come from a section.
    var layout: VirtioSectionLayout?

    package init(_ model: Model, queueSizes: [UInt16], configuration: [UInt8], function: PCIConfigurationSpace) {
        self.model = model
        self.configuration = configuration
        queues = queueSizes.prefix(Self.maximumQueues).map { Virtqueue(size: $0) }
        capabilities = VirtioCapability.all(function)
        msix = MSIX(function)
        follow(function)
    }

    /// Follows the registers of the function after a write to its configuration space.
    mutating func follow(_ function: PCIConfigurationSpace) {
        isBusMaster = function.command.contains(.busMaster)
        msix?.control(function)
        if msix?.isEnabled == true { interruptLine = false }
    }

    /// Features that the device offers: QEMU's defaults, and whatever the driver has accepted before (another command line).
    var offered: VirtioFeatures {
        var set = VirtioFeatures.transport.union(features)
        switch model {
        case .block(let block):
            set.formUnion(VirtioBlock.offered)
            if queues.count > 1 { set.insert(VirtioBlock.multipleQueues) }
            if block.isReadOnly { set.insert(VirtioBlock.readOnly) }
        case .entropy: break
        case .network: set.formUnion(VirtioNetwork.offered)
        }
        return set
    }

    /// The queue that the driver has selected; nil when there is none of that number.
    var selected: Int? { Int(queueSelect) < queues.count ? Int(queueSelect) : nil }
}

extension VirtioPCI {
    /// Back to the state after power-on (2.1.2: the driver writes 0 to the status).
    mutating func reset() {
        status = []
        interruptStatus = 0
        interruptLine = false
        queueSelect = 0
        features = []
        configurationVector = MSIX.unassigned
        isStarted = false
        isBroken = false
        for index in queues.indices { queues[index].reset() }
        msix?.clearPending()
        if case .block(var block) = model {
            block.inFlight = []
            model = .block(block)
        }
    }

    /// A write to the status register of either interface.
    mutating func setStatus(_ value: UInt8) {
        let new = VirtioStatus(rawValue: value)
        if new.isEmpty { return reset() }
        status = new
        isStarted = new.contains(.driverOK)
    }

    /// Takes the driver's choice of features, once (2.2, 3.1.1); a driver that accepts the "bad" bit understands none.
    mutating func accept(_ set: VirtioFeatures) {
        guard !status.contains(.featuresOK) else { return }
        features = set.intersection(offered).subtracting(.bad)
    }

    /// Reading the interrupt status clears it and the line (4.1.4.5).
    mutating func takeInterruptStatus() -> UInt8 {
        defer {
            interruptStatus = 0
            interruptLine = false
        }
        return interruptStatus
    }

    /// A vector that a register can take: one of the table, or none.
    func vector(_ value: UInt64) -> UInt16 {
        let vector = UInt16(truncatingIfNeeded: value)
        return Int(vector) < (msix?.count ?? 0) ? vector : MSIX.unassigned
    }

    /// The device's configuration as the driver sees it.
    var visibleConfiguration: [UInt8] {
        switch model {
        case .block(let block):
            block.configuration(configuration, queueCount: queues.count, queueSize: queues.first?.defaultSize ?? 0)
        case .network(let network): network.configuration(configuration)
        case .entropy: configuration
        }
    }

    /// Registers of the device's configuration; ones beyond its end.
    func readConfiguration(_ offset: UInt64, byteCount: Int) -> UInt64 {
        let bytes = visibleConfiguration
        guard offset <= UInt64(bytes.count), bytes.count - Int(offset) >= byteCount else { return UInt64.max }
        return (0..<min(max(byteCount, 0), 8)).reduce(0) { $0 | UInt64(bytes[Int(offset) + $1]) << UInt64(8 * $1) }
    }

    mutating func writeConfiguration(_ offset: UInt64, byteCount: Int, value: UInt64) {
        guard offset <= UInt64(configuration.count), configuration.count - Int(offset) >= byteCount else { return }
        for index in 0..<min(max(byteCount, 0), 8) {
            let isWritable: Bool
            switch model {
            case .block: isWritable = VirtioBlock.isWritable(Int(offset) + index)
            // The address, by drivers of the legacy interface.
            case .network: isWritable = Int(offset) + index < 6 && !features.contains(.version1)
            case .entropy: isWritable = false
            }
            if isWritable {
                // QEMU has filled its copy by then, as the driver has read it before.
                configuration = visibleConfiguration
                configuration[Int(offset) + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
            }
        }
    }
}
