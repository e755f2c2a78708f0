/// The ACPI fixed hardware of the two chipsets: PIIX4 (pc) and ICH9 (q35), with QEMU's hot-plug registers.
///
/// Source: ACPI 6.4 chapter 4.8, Intel 82371AB (PIIX4) and ICH9 data sheets. ``read(_:byteCount:now:)`` and ``write(_:byteCount:value:now:)`` take offsets from PMBASE
/// (0x600 in both machines, set in the PCI configuration). The SCI is IRQ 9. There is no system management mode: commands to port 0xB2 other
/// than those that hand the hardware over to ACPI do nothing.
package struct PowerManagement: Sendable, Hashable {
    /// Which chipset's registers these are.
    package enum Chipset: Sendable, Hashable {
        case piix4
        case ich9
    }

    /// What the guest wants to happen to the machine.
    package enum Request: Sendable, Hashable {
        /// Sleeping state S5 (QEMU's SLP_TYP 0), or S4 (2), which QEMU ends the same way.
        case powerOff
        /// Sleeping state S3 (SLP_TYP 1): unsupported, nothing has happened.
        case suspend
        /// Reset through port 0xCF9.
        case reset
    }

    /// Of the power management timer, hertz.
    package static let timerFrequency: UInt64 = 3_579_545
    static let timerClock = ClockConversion(frequency: timerFrequency)
    /// Bytes of the block at PMBASE.
    package var byteCount: UInt64 { chipset == .piix4 ? 0x40 : 0x80 }

    package let chipset: Chipset
    /// PM1 status, enable and control.
    var status: UInt16 = 0
    var enable: UInt16 = 0
    var control: UInt16 = 0
    /// Count of the timer, not cut to 24 bits, at which the timer's status bit is set.
    var overflow: Int64 = 0
    /// General purpose events: bytes of status and enable (PIIX4 2, ICH9 8 of which QEMU saves 16).
    var eventStatus: [UInt8]
    var eventEnable: [UInt8]
    /// ICH9: SMI enable and status.
    var managementEnable: UInt32 = 0
    var managementStatus: UInt32 = 0
    /// Ports 0xB2 and 0xB3.
    var commandPort: UInt8 = 0
    var statusPort: UInt8 = 0
    /// Port 0xCF9.
    var resetControl: UInt8 = 0
    /// ICH9: registers of the watchdog, which never ends here.
    var watchdog: [UInt8]
    package var hotplug: HotplugRegisters
    private var request: Request?

    /// As after reset.
    ///
    /// - Parameter processorIDs: local APIC IDs of the machine's processors.
    package init(chipset: Chipset, processorIDs: [UInt32]) {
        self.chipset = chipset
        let count = chipset == .piix4 ? 2 : 16
        eventStatus = Array(repeating: 0, count: count)
        eventEnable = eventStatus
        watchdog = Array(repeating: 0, count: chipset == .ich9 ? 0x20 : 0)
        if chipset == .ich9 {
            // TCO2_CNT and TCO_TMR after reset.
            watchdog[0x0A] = 0x08
            watchdog[0x12] = 0x04
        }
        hotplug = HotplugRegisters(processorIDs: processorIDs)
    }
}

extension PowerManagement {
    /// Bits of PM1 status and enable (ACPI 4.8.3.1, tables 4.11 and 4.12).
    enum Event {
        static let timer: UInt16 = 1 << 0
        static let globalLock: UInt16 = 1 << 5
        static let powerButton: UInt16 = 1 << 8
        static let clock: UInt16 = 1 << 10
        /// Those that have an enable bit here.
        static let enabled: UInt16 = timer | globalLock | powerButton | clock
    }

    /// Bits of PM1 control (table 4.13).
    enum Control {
        /// Events make the SCI, not an SMI.
        static let interrupts: UInt16 = 1 << 0
        static let sleepEnable: UInt16 = 1 << 13
        static let sleepTypeShift: UInt16 = 10
    }

    /// Count of the timer, not cut to 24 bits.
    func timerCount(_ now: UInt64) -> UInt64 { Self.timerClock.ticks(now) }

    /// The SCI, IRQ 9.
    package var interruptLine: Bool {
        guard control & Control.interrupts != 0 else { return false }
        return status & enable & Event.enabled != 0 || zip(eventStatus, eventEnable).contains { $0 & $1 != 0 }
    }

    /// When the timer's carry interrupts.
    package var deadline: UInt64? {
        guard enable & Event.timer != 0, status & Event.timer == 0 else { return nil }
        return overflow <= 0 ? 0 : Self.timerClock.nanoseconds(after: UInt64(overflow))
    }

    /// Lets the timer's carry happen.
    package mutating func advance(to now: UInt64) {
        if timerCount(now) >= UInt64(max(overflow, 0)) { status |= Event.timer }
    }

    /// What the guest asked for since the last call; the last one wins.
    package mutating func takeRequest() -> Request? {
        defer { request = nil }
        return request
    }

    /// Somebody presses the power button: a guest that has enabled it is interrupted.
    package mutating func pressPowerButton() {
        if enable & Event.powerButton != 0 { status |= Event.powerButton }
    }

    /// Status bits are cleared by ones. A cleared carry is armed for the next change of the timer's highest bit.
    mutating func clearStatus(_ bits: UInt16, now: UInt64) {
        advance(to: now)
        if status & bits & Event.timer != 0 {
            overflow = Int64(truncatingIfNeeded: (timerCount(now) &+ 0x80_0000) & ~0x7F_FFFF)
        }
        status &= ~bits
    }

    /// SLP_EN reads zero.
    mutating func writeControl(_ value: UInt16) {
        control = value & ~Control.sleepEnable
        guard value & Control.sleepEnable != 0 else { return }
        switch value >> Control.sleepTypeShift & 7 {
        case 0, 2: request = .powerOff
        case 1: request = .suspend
        default: break
        }
    }
}

extension PowerManagement {
    /// Commands at port 0xB2 that switch ACPI on and off (`FADT.ACPI_ENABLE`, `FADT.ACPI_DISABLE`).
    private var handOver: (enable: UInt8, disable: UInt8) { chipset == .piix4 ? (0xF1, 0xF0) : (0x02, 0x03) }

    /// Ports 0xB2 (offset 0) and 0xB3 (offset 1).
    package func readCommandPort(_ offset: UInt64, byteCount: Int) -> UInt64 {
        ByteAccess.read(offset, byteCount: byteCount) { $0 == 0 ? commandPort : $0 == 1 ? statusPort : nil }
    }

    /// Ports 0xB2 (offset 0) and 0xB3 (offset 1).
    package mutating func writeCommandPort(_ offset: UInt64, byteCount: Int, value: UInt64) {
        ByteAccess.write(offset, byteCount: byteCount, value: value) { port, byte in
            switch port {
            case 0:
                commandPort = byte
                if byte == handOver.enable { control |= Control.interrupts }
                if byte == handOver.disable { control &= ~Control.interrupts }
            case 1: statusPort = byte
            default: break
            }
        }
    }

    /// Port 0xCF9.
    package func readResetControl() -> UInt8 { resetControl }

    /// Port 0xCF9: bit 2 resets, bit 1 says how (and ICH9's bit 3 that power is cycled); it reads zero.
    package mutating func writeResetControl(_ value: UInt8) {
        resetControl = value & (chipset == .piix4 ? 0x02 : 0x0A)
        if value & 0x04 != 0 { request = .reset }
    }
}
