/// The local APIC of one processor, in xAPIC or x2APIC mode (SDM volume 3, chapter 11).
///
/// It decides which vector the processor takes next, counts its timer, and turns writes of the interrupt command
/// register into messages, which the board carries to the APICs that ``matches(_:fromProcessor:)`` names.
package struct LocalAPIC: Sendable, Hashable {
    /// IA32_APIC_BASE: bootstrap processor 8, x2APIC mode 10, global enable 11, address 12 and up. See
    /// ``setBase(_:physicalAddressBits:supportsX2APIC:)``.
    package internal(set) var base: UInt64
    /// The ID that the processor was made with: 32 bits, what x2APIC mode reads (SDM 11.12.5.1). QEMU's instance number
    /// of the section.
    package let initialID: UInt32
    /// The ID register of xAPIC mode, which software can write.
    package internal(set) var id: UInt8
    /// QEMU's `arb_id`. Kept for sections; no arbitration over an APIC bus takes place.
    var arbitrationID: UInt8 = 0
    var taskPriority: UInt8 = 0
    /// Spurious interrupt vector register: vector 0-7, software enable 8, focus 9, no EOI broadcasts 12.
    var spurious: UInt32 = 0xFF
    /// Logical ID of xAPIC mode.
    var logicalID: UInt8 = 0
    /// Model of logical destinations: 0xF flat, 0 cluster.
    var destinationFormat: UInt8 = 0xF
    package internal(set) var inService = VectorSet()
    /// TMR: vectors whose last request was level triggered.
    package internal(set) var levelTriggered = VectorSet()
    package internal(set) var requested = VectorSet()
    var localVectors = LocalVectorTable()
    /// What the error status register reads.
    var errorStatus: UInt32 = 0
    /// Errors since the last write of that register. Not part of QEMU's section.
    var detectedErrors: UInt32 = 0
    var commandLow: UInt32 = 0
    /// xAPIC: destination in bits 24-31. x2APIC: destination.
    var commandHigh: UInt32 = 0
    var divideConfiguration: UInt32 = 0
    var timer = APICTimer()
    /// Levels of the pins LINT0 and LINT1. Not part of QEMU's section: the board sets them after loading.
    var isLINT0Asserted = false
    var isLINT1Asserted = false
    /// Bit 24 of the version register: EOI broadcasts can be suppressed (KVM with `kernel-irqchip=split`).
    var canSuppressBroadcasts = false

    /// A non-maskable interrupt waits. In sections of KVM this is in the `cpu` section; the caller moves it.
    package var isNMIPending = false
    /// A system management interrupt waits. No mode of that name exists here; a caller may report it.
    package var isSMIPending = false
    /// An ExtINT message came: the processor asks the 8259 for a vector.
    package var isExternalMessagePending = false
    /// An INIT waits; see ``takeInitialize()``.
    package internal(set) var isInitializePending = false
    /// The processor was initialized and executes nothing until a start-up message. In sections of KVM the state is
    /// `env.mp_state` of the `cpu` section (1 and 2 mean this); the caller moves it.
    package var isWaitingForStartUp = false
    /// Vector of the last start-up message that found the processor waiting: it starts at this number times 4096.
    package internal(set) var startUpVector: UInt8?

    /// A local APIC after a reset, in xAPIC mode, all of it masked.
    package init(id: UInt32, isBootstrap: Bool) {
        base = BaseBit.defaultAddress | BaseBit.enabled | (isBootstrap ? BaseBit.bootstrap : 0)
        initialID = id
        self.id = UInt8(truncatingIfNeeded: id)
        isWaitingForStartUp = !isBootstrap
    }

    /// Bits of IA32_APIC_BASE (SDM figure 11-26).
    enum BaseBit {
        static let bootstrap: UInt64 = 1 << 8
        static let extended: UInt64 = 1 << 10
        static let enabled: UInt64 = 1 << 11
        static let defaultAddress: UInt64 = 0xFEE0_0000
    }

    /// Bits of the spurious interrupt vector register (SDM 11.9).
    enum SpuriousBit {
        static let enabled: UInt32 = 1 << 8
        static let focus: UInt32 = 1 << 9
        static let suppressBroadcast: UInt32 = 1 << 12
    }

    /// What a write means for the rest of the machine.
    package enum Effect: Sendable, Hashable {
        case none
        /// An interprocessor interrupt: the board gives it to every APIC that it
        /// ``LocalAPIC/matches(_:fromProcessor:)``.
        case send(InterruptMessage)
        /// End of a level-triggered interrupt: the board tells the IOAPIC.
        case endOfInterrupt(vector: UInt8)
    }
}

extension LocalAPIC {
    /// Switched on by IA32_APIC_BASE. Off, the processor has no APIC: INTR comes from the 8259.
    package var isGloballyEnabled: Bool { base & BaseBit.enabled != 0 }

    /// Accepts fixed and lowest-priority interrupts: on globally and by software.
    package var isEnabled: Bool { isGloballyEnabled && spurious & SpuriousBit.enabled != 0 }

    /// Registers are MSRs 0x800...0x8FF, not memory.
    package var isX2APIC: Bool { base & (BaseBit.enabled | BaseBit.extended) == BaseBit.enabled | BaseBit.extended }

    package var isBootstrap: Bool { base & BaseBit.bootstrap != 0 }

    /// Address of the 4 KiB of registers; nil when there are none (switched off, or x2APIC mode).
    package var address: UInt64? { isGloballyEnabled && !isX2APIC ? base & ~0xFFF : nil }

    /// The logical ID of x2APIC mode: cluster in bits 16-31, one of bits 0-15 (SDM 11.12.10.2).
    package var logicalX2APICID: UInt32 { (initialID >> 4) << 16 | 1 << (initialID & 15) }

    /// Something waits for the processor, apart from ``isSMIPending``: it leaves HLT if it may take it.
    package var hasEvent: Bool {
        isNMIPending || isInitializePending || startUpVector != nil || hasExternalInterrupt || pendingVector != nil
    }

    /// Writes IA32_APIC_BASE; false when that is a general protection exception (SDM figure 11-27 and 11.12.5).
    ///
    /// x2APIC mode is entered from xAPIC mode only and left through switching off. An APIC that is switched on again is
    /// as after reset (11.4.3).
    package mutating func setBase(_ value: UInt64, physicalAddressBits: Int, supportsX2APIC: Bool) -> Bool {
        let defined = BaseBit.bootstrap | BaseBit.enabled | (supportsX2APIC ? BaseBit.extended : 0)
        let addressBits = UInt64(min(max(physicalAddressBits, 32), 52))
        guard value & ~(defined | ((1 << addressBits) - 1) & ~0xFFF) == 0 else { return false }
        let wasEnabled = isGloballyEnabled
        let wasExtended = isX2APIC
        let enables = value & BaseBit.enabled != 0
        let extends = value & BaseBit.extended != 0
        if extends && (!enables || !wasEnabled) || wasExtended && enables && !extends { return false }
        if wasEnabled && !enables { resetRegisters() }
        base = value
        return true
    }

    /// The registers after power-up or INIT: all but the IDs and the base (SDM 11.4.7.1 and 11.4.7.3).
    mutating func resetRegisters() {
        taskPriority = 0
        spurious = 0xFF
        logicalID = 0
        destinationFormat = 0xF
        inService = VectorSet()
        levelTriggered = VectorSet()
        requested = VectorSet()
        localVectors = LocalVectorTable()
        errorStatus = 0
        detectedErrors = 0
        commandLow = 0
        commandHigh = 0
        divideConfiguration = 0
        timer.reset()
        isExternalMessagePending = false
    }
}
