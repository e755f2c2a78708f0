import X86

extension Machine {
    /// Memory-mapped registers: local APIC, IOAPIC, HPET counter, and the VGA window (reads ones, drops writes).
    func deviceRead(_ physical: UInt64, byteCount: Int) throws(AccessFailure) -> UInt64 {
        let system = processor.system
        if physical & ~0xFFF == system.pointee.apicBase & 0x000F_FFFF_FFFF_F000, system.pointee.apicBase & 0x800 != 0 {
            return UInt64(readLocalAPIC(Int(physical & 0xFFF) >> 4)) >> ((physical & 3) * 8) & Self.mask(byteCount)
        }
        switch physical {
        case 0xFEC0_0000..<0xFEC0_1000: return UInt64(devices.ioAPIC.read(physical & 0xFF))
        case 0xFED0_0000..<0xFED0_0400:
            return readTimer(physical & 0x3F8) >> ((physical & 7) * 8) & Self.mask(byteCount)
        case 0xA_0000..<0xC_0000: return Self.mask(byteCount)
        default:
            throw .exit(
                .unmapped(UnmappedAccess(physicalAddress: physical, byteCount: byteCount, isWrite: false)))
        }
    }

    func deviceWrite(_ physical: UInt64, byteCount: Int, value: UInt64) throws(AccessFailure) {
        let system = processor.system
        if physical & ~0xFFF == system.pointee.apicBase & 0x000F_FFFF_FFFF_F000, system.pointee.apicBase & 0x800 != 0 {
            writeLocalAPIC(Int(physical & 0xFFF) >> 4, UInt32(truncatingIfNeeded: value))
            return
        }
        switch physical {
        case 0xFEC0_0000..<0xFEC0_1000:
            devices.ioAPIC.write(physical & 0xFF, UInt32(truncatingIfNeeded: value))
        case 0xFED0_0000..<0xFED0_0400:
            if physical & 0x3FF == 0x10 { devices.timerConfiguration = value & 3 }
        case 0xA_0000..<0xC_0000: break
        default:
            throw .exit(.unmapped(UnmappedAccess(physicalAddress: physical, byteCount: byteCount, isWrite: true)))
        }
    }

    static func mask(_ byteCount: Int) -> UInt64 { byteCount >= 8 ? ~0 : (1 << UInt64(byteCount * 8)) - 1 }

    /// Register `index` (offset / 16) of the active processor's local APIC.
    func readLocalAPIC(_ index: Int) -> UInt32 {
        // The timer's current count: it never runs in this engine.
        index == 0x39 ? 0 : devices.localAPICs[activeProcessor][index & 0xFF]
    }

    /// End of interrupt and interrupt commands are accepted without effect; the delivery status always reads idle.
    func writeLocalAPIC(_ index: Int, _ value: UInt32) {
        switch index {
        case 0x02, 0x03, 0x0B, 0x39: break
        case 0x30: devices.localAPICs[activeProcessor][0x30] = value & ~0x1000
        default: devices.localAPICs[activeProcessor][index & 0xFF] = value
        }
    }

    /// The HPET: a 100 MHz main counter of virtual time and comparators that never fire.
    private func readTimer(_ register: UInt64) -> UInt64 {
        switch register {
        case 0x00: 0x0098_9680_8086_A201
        case 0x10: devices.timerConfiguration
        case 0xF0: virtualNanoseconds / 10
        default: 0
        }
    }

    /// Port input. Ports without a device read all ones.
    func readPort(_ port: UInt16, byteCount: Int) -> UInt64 {
        switch port {
        case 0x3F8...0x3FF where byteCount == 1: UInt64(devices.serial.read(Int(port - 0x3F8)))
        // The ACPI PM timer of QEMU's pc and q35: 3.579545 MHz, 24 bits.
        case 0x608 where byteCount == 4:
            (virtualNanoseconds.multipliedFullWidth(by: 3_579_545).low / 1_000_000_000) & 0xFF_FFFF
        default: Self.mask(byteCount)
        }
    }

    /// Port output. Returns an exit when the guest switches itself off.
    func writePort(_ port: UInt16, byteCount: Int, value: UInt64) -> Exit? {
        switch port {
        case 0x3F8...0x3FF:
            if byteCount == 1 {
                devices.serial.write(Int(port - 0x3F8), UInt8(truncatingIfNeeded: value))
            }
        // PM1 control of QEMU's pc and q35: SLP_EN with SLP_TYP 0 is S5.
        case 0x604 where value & 0x2000 != 0: return .shutdown(reason: "ACPI sleep type \((value >> 10) & 7)")
        case 0xCF9 where value & 0x04 != 0: return .shutdown(reason: "reset through port 0xCF9")
        case 0x64 where value & 0xFF == 0xFE: return .shutdown(reason: "reset through the keyboard controller")
        default: break
        }
        return nil
    }
}
