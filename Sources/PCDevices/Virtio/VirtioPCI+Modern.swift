/// The modern interface in memory (virtio 1.1, 4.1.4.3 to 4.1.4.9).
extension VirtioPCI {
    /// Offsets in the common configuration (4.1.4.3).
    private enum Register {
        static let deviceFeatureSelect: UInt64 = 0x00
        static let deviceFeature: UInt64 = 0x04
        static let driverFeatureSelect: UInt64 = 0x08
        static let driverFeature: UInt64 = 0x0C
        static let configurationVector: UInt64 = 0x10
        static let queueCount: UInt64 = 0x12
        static let status: UInt64 = 0x14
        static let generation: UInt64 = 0x15
        static let queueSelect: UInt64 = 0x16
        static let queueSize: UInt64 = 0x18
        static let queueVector: UInt64 = 0x1A
        static let queueEnable: UInt64 = 0x1C
        static let queueNotifyOffset: UInt64 = 0x1E
        static let queueDescriptors: UInt64 = 0x20
        static let queueAvailable: UInt64 = 0x28
        static let queueUsed: UInt64 = 0x30
        static let queueNotifyData: UInt64 = 0x38
        static let queueReset: UInt64 = 0x3A
    }

    /// The part of the modern interface at an offset behind a base address register, and the offset in it.
    func part(base: Int, _ offset: UInt64) -> (VirtioCapability, UInt64)? {
        for capability in capabilities
        where capability.kind != .configurationAccess && capability.base == base && offset >= capability.offset
            && offset - capability.offset < capability.byteCount
        {
            return (capability, offset - capability.offset)
        }
        return nil
    }

    /// Reads up to four bytes; zeros where nothing lies.
    mutating func readModern(base: Int, _ offset: UInt64, byteCount: Int) -> UInt64 {
        guard let (capability, place) = part(base: base, offset) else { return 0 }
        switch capability.kind {
        case .common: return readCommon(place)
        case .interruptStatus: return place == 0 ? UInt64(takeInterruptStatus()) : 0
        case .device: return readConfiguration(place, byteCount: byteCount)
        case .notification, .configurationAccess: return 0
        }
    }

    mutating func writeModern<Memory: PhysicalMemory & ~Copyable>(
        base: Int, _ offset: UInt64, byteCount: Int, value: UInt64, notifyMultiplier: UInt64, memory: inout Memory
    ) {
        guard let (capability, place) = part(base: base, offset) else { return }
        switch capability.kind {
        case .common: writeCommon(place, value)
        case .device: writeConfiguration(place, byteCount: byteCount, value: value)
        case .notification:
            notify(notifyMultiplier == 0 ? 0 : Int(clamping: place / notifyMultiplier), memory: &memory)
        case .interruptStatus, .configurationAccess: break
        }
    }

    private func readCommon(_ offset: UInt64) -> UInt64 {
        let queue = selected.map { queues[$0] }
        switch offset {
        case Register.deviceFeatureSelect: return UInt64(deviceFeatureSelect)
        case Register.deviceFeature:
            guard deviceFeatureSelect <= 1 else { return 0 }
            return offered.subtracting(.legacy).rawValue >> UInt64(32 * deviceFeatureSelect) & 0xFFFF_FFFF
        case Register.driverFeatureSelect: return UInt64(driverFeatureSelect)
        case Register.driverFeature:
            return driverFeatureSelect <= 1 ? UInt64(acceptedHalves[Int(driverFeatureSelect)]) : 0
        case Register.configurationVector: return UInt64(configurationVector)
        case Register.queueCount: return UInt64(queues.count)
        case Register.status: return UInt64(status.rawValue)
        case Register.generation: return UInt64(generation)
        case Register.queueSelect: return UInt64(queueSelect)
        case Register.queueSize: return UInt64(queue?.size ?? 0)
        case Register.queueVector: return UInt64(queue?.vector ?? MSIX.unassigned)
        case Register.queueEnable: return queue?.modern.isEnabled == true ? 1 : 0
        case Register.queueNotifyOffset: return UInt64(queueSelect)
        case Register.queueDescriptors: return (queue?.modern.descriptors ?? 0) & 0xFFFF_FFFF
        case Register.queueDescriptors + 4: return (queue?.modern.descriptors ?? 0) >> 32
        case Register.queueAvailable: return (queue?.modern.available ?? 0) & 0xFFFF_FFFF
        case Register.queueAvailable + 4: return (queue?.modern.available ?? 0) >> 32
        case Register.queueUsed: return (queue?.modern.used ?? 0) & 0xFFFF_FFFF
        case Register.queueUsed + 4: return (queue?.modern.used ?? 0) >> 32
        case Register.queueNotifyData: return UInt64(queueSelect)
        // The queue is reset before the write returns.
        case Register.queueReset: return 0
        default: return 0
        }
    }

    private mutating func writeCommon(_ offset: UInt64, _ value: UInt64) {
        switch offset {
        case Register.deviceFeatureSelect: deviceFeatureSelect = UInt32(truncatingIfNeeded: value)
        case Register.driverFeatureSelect: driverFeatureSelect = UInt32(truncatingIfNeeded: value)
        case Register.driverFeature:
            guard driverFeatureSelect <= 1 else { return }
            acceptedHalves[Int(driverFeatureSelect)] = UInt32(truncatingIfNeeded: value)
            accept(VirtioFeatures(rawValue: UInt64(acceptedHalves[1]) << 32 | UInt64(acceptedHalves[0])))
        case Register.configurationVector: configurationVector = vector(value)
        case Register.status:
            setStatus(UInt8(truncatingIfNeeded: value))
        case Register.queueSelect:
            if value & 0xFFFF < UInt64(Self.maximumQueues) { queueSelect = UInt16(truncatingIfNeeded: value) }
        default:
            if let selected { writeQueue(selected, offset, value) }
        }
    }

    private mutating func writeQueue(_ number: Int, _ offset: UInt64, _ value: UInt64) {
        func low(_ old: UInt64) -> UInt64 { old & ~0xFFFF_FFFF | value & 0xFFFF_FFFF }
        func high(_ old: UInt64) -> UInt64 { old & 0xFFFF_FFFF | value << 32 }
        switch offset {
        case Register.queueSize:
            let size = UInt16(truncatingIfNeeded: value)
            queues[number].modern.size = size
            if size > 0, size <= Virtqueue.maximumSize { queues[number].size = size }
        case Register.queueVector: queues[number].vector = vector(value)
        case Register.queueEnable:
            if value & 0xFFFF == 1 { queues[number].enable() }
        case Register.queueDescriptors: queues[number].modern.descriptors = low(queues[number].modern.descriptors)
        case Register.queueDescriptors + 4: queues[number].modern.descriptors = high(queues[number].modern.descriptors)
        case Register.queueAvailable: queues[number].modern.available = low(queues[number].modern.available)
        case Register.queueAvailable + 4: queues[number].modern.available = high(queues[number].modern.available)
        case Register.queueUsed: queues[number].modern.used = low(queues[number].modern.used)
        case Register.queueUsed + 4: queues[number].modern.used = high(queues[number].modern.used)
        case Register.queueReset:
            if value & 0xFFFF == 1 { queues[number].reset() }
        default: break
        }
    }
}

extension Virtqueue {
    /// Puts the registers of the modern interface into effect (queue_enable).
    mutating func enable() {
        if modern.size > 0, modern.size <= Self.maximumSize { size = modern.size }
        descriptors = modern.descriptors
        available = modern.available
        used = modern.used
        modern.isEnabled = true
    }
}
