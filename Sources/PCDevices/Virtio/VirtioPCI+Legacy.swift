/// The legacy interface in ports (virtio 1.1, 4.1.4.8, and virtio 0.9.5, 2.1).
extension VirtioPCI {
    private enum Register {
        static let deviceFeatures: UInt64 = 0
        static let driverFeatures: UInt64 = 4
        static let queueAddress: UInt64 = 8
        static let queueSize: UInt64 = 12
        static let queueSelect: UInt64 = 14
        static let queueNotify: UInt64 = 16
        static let status: UInt64 = 18
        static let interruptStatus: UInt64 = 19
        /// While MSI-X is enabled.
        static let configurationVector: UInt64 = 20
        static let queueVector: UInt64 = 22
    }

    /// Where the device's configuration begins.
    private var configurationStart: UInt64 { msix?.isEnabled == true ? 24 : 20 }

    mutating func readLegacy(_ offset: UInt64, byteCount: Int) -> UInt64 {
        if offset >= configurationStart {
            return readConfiguration(offset - configurationStart, byteCount: byteCount)
        }
        switch offset {
        case Register.deviceFeatures: return offered.rawValue & 0xFFFF_FFFF
        case Register.driverFeatures: return features.rawValue & 0xFFFF_FFFF
        case Register.queueAddress: return (selected.map { queues[$0].descriptors } ?? 0) >> 12
        case Register.queueSize: return selected.map { UInt64(queues[$0].size) } ?? 0
        case Register.queueSelect: return UInt64(queueSelect)
        case Register.status: return UInt64(status.rawValue)
        case Register.interruptStatus: return UInt64(takeInterruptStatus())
        case Register.configurationVector: return UInt64(configurationVector)
        case Register.queueVector: return UInt64(selected.map { queues[$0].vector } ?? MSIX.unassigned)
        default: return UInt64.max
        }
    }

    mutating func writeLegacy<Memory: PhysicalMemory & ~Copyable>(
        _ offset: UInt64, byteCount: Int, value: UInt64, memory: inout Memory
    ) {
        if offset >= configurationStart {
            return writeConfiguration(offset - configurationStart, byteCount: byteCount, value: value)
        }
        switch offset {
        case Register.driverFeatures:
            let set = VirtioFeatures(rawValue: value & 0xFFFF_FFFF)
            accept(set.contains(.bad) ? [] : set)
        case Register.queueAddress:
            guard value & 0xFFFF_FFFF != 0 else { return reset() }
            if let selected { queues[selected].setLegacyAddress((value & 0xFFFF_FFFF) << 12) }
        case Register.queueSelect:
            if value & 0xFFFF < UInt64(Self.maximumQueues) { queueSelect = UInt16(truncatingIfNeeded: value) }
        case Register.queueNotify: notify(Int(value & 0xFFFF), memory: &memory)
        case Register.status:
            setStatus(UInt8(truncatingIfNeeded: value))
            // Linux before 2.6.34 drives the device without bus mastering; QEMU turns it on for such a driver.
            wantsBusMaster = value & 0xFF == UInt64(VirtioStatus([.acknowledge, .driver]).rawValue)
        case Register.configurationVector: configurationVector = vector(value)
        case Register.queueVector:
            if let selected { queues[selected].vector = vector(value) }
        default: break
        }
    }
}
