import PCDevices

/// Offsets of the registers of xAPIC mode (SDM volume 3, table 11-1).
enum APICOffset {
    static let id: UInt64 = 0x20
    static let version: UInt64 = 0x30
    static let taskPriority: UInt64 = 0x80
    static let processorPriority: UInt64 = 0xA0
    static let endOfInterrupt: UInt64 = 0xB0
    static let logicalDestination: UInt64 = 0xD0
    static let destinationFormat: UInt64 = 0xE0
    static let spurious: UInt64 = 0xF0
    static let inService: UInt64 = 0x100
    static let triggerMode: UInt64 = 0x180
    static let requested: UInt64 = 0x200
    static let errorStatus: UInt64 = 0x280
    static let command: UInt64 = 0x300
    static let commandHigh: UInt64 = 0x310
    static let timer: UInt64 = 0x320
    static let thermal: UInt64 = 0x330
    static let performance: UInt64 = 0x340
    static let lint0: UInt64 = 0x350
    static let lint1: UInt64 = 0x360
    static let error: UInt64 = 0x370
    static let initialCount: UInt64 = 0x380
    static let currentCount: UInt64 = 0x390
    static let divide: UInt64 = 0x3E0
}

extension LocalAPIC {
    /// On, by software too, in xAPIC mode.
    static func started(id: UInt32 = 0, isBootstrap: Bool = true) -> LocalAPIC {
        var apic = LocalAPIC(id: id, isBootstrap: isBootstrap)
        apic[APICOffset.spurious] = 0x1FF
        return apic
    }

    /// On, by software too, in x2APIC mode.
    static func extended(id: UInt32 = 0, isBootstrap: Bool = true) -> LocalAPIC {
        var apic = started(id: id, isBootstrap: isBootstrap)
        _ = apic.setBase(apic.base | 0x400, physicalAddressBits: 40, supportsX2APIC: true)
        return apic
    }

    /// A register of 4 bytes at time 0.
    subscript(offset: UInt64) -> UInt32 {
        mutating get { UInt32(truncatingIfNeeded: read(offset, byteCount: 4, now: 0)) }
        set { _ = write(offset, byteCount: 4, value: UInt64(newValue), now: 0) }
    }

    mutating func write(_ offset: UInt64, _ value: UInt32, now: UInt64 = 0) -> Effect {
        write(offset, byteCount: 4, value: UInt64(value), now: now)
    }

    mutating func count(_ now: UInt64) -> UInt64 { read(APICOffset.currentCount, byteCount: 4, now: now) }

    mutating func accept(_ vector: UInt8, isLevelTriggered: Bool = false) {
        accept(InterruptMessage(vector: vector, isLevelTriggered: isLevelTriggered, destination: 0))
    }

    /// What a write of the error status register makes readable.
    mutating func errors() -> UInt32 {
        self[APICOffset.errorStatus] = 0
        return self[APICOffset.errorStatus]
    }
}
