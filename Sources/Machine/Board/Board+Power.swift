import PCDevices

/// Ports of ACPI and of QEMU's hot plug, which belong to the chipset.
extension Board {
    private enum Port {
        static let command: ClosedRange<UInt16> = 0xB2...0xB3
        static let reset: UInt16 = 0xCF9
        static let memoryPlug: ClosedRange<UInt16> = 0xA00...0xA17
        /// PIIX4's general purpose events.
        static let events: ClosedRange<UInt16> = 0xAFE0...0xAFE3
        /// Where no other place is configured, the block is here (SeaBIOS).
        static let usualBase: UInt16 = 0x600
    }

    private var isPIIX4: Bool { power.chipset == .piix4 }
    private var processorPlug: ClosedRange<UInt16> { isPIIX4 ? 0xAF00...0xAF0B : 0xCD8...0xCE3 }
    private var devicePlug: ClosedRange<UInt16> { isPIIX4 ? 0xAE00...0xAE17 : 0xCC0...0xCD7 }

    /// Reads a port of the chipset; nil for others.
    mutating func readChipset(_ port: UInt16, byteCount: Int, now: UInt64) -> UInt64? {
        let base = pci?.powerManagementPort ?? Port.usualBase
        if port >= base, UInt64(port - base) < power.byteCount {
            return power.read(UInt64(port - base), byteCount: byteCount, now: now)
        }
        switch port {
        case Port.command:
            return power.readCommandPort(UInt64(port - Port.command.lowerBound), byteCount: byteCount)
        case Port.reset where byteCount == 1: return UInt64(power.readResetControl())
        case Port.events where isPIIX4:
            return power.readEvents(UInt64(port - Port.events.lowerBound), byteCount: byteCount)
        case processorPlug:
            return power.hotplug.readProcessors(UInt64(port - processorPlug.lowerBound), byteCount: byteCount)
        case devicePlug:
            return power.hotplug.readDevices(UInt64(port - devicePlug.lowerBound), byteCount: byteCount)
        case Port.memoryPlug:
            return power.hotplug.readMemory(UInt64(port - Port.memoryPlug.lowerBound), byteCount: byteCount)
        default: return nil
        }
    }

    /// Writes a port of the chipset; false for others.
    mutating func writeChipset(_ port: UInt16, byteCount: Int, value: UInt64, now: UInt64) -> Bool {
        let base = pci?.powerManagementPort ?? Port.usualBase
        if port >= base, UInt64(port - base) < power.byteCount {
            power.write(UInt64(port - base), byteCount: byteCount, value: value, now: now)
        } else {
            switch port {
            case Port.command:
                power.writeCommandPort(
                    UInt64(port - Port.command.lowerBound), byteCount: byteCount, value: value)
            case Port.reset where byteCount == 1: power.writeResetControl(UInt8(truncatingIfNeeded: value))
            case Port.events where isPIIX4:
                power.writeEvents(UInt64(port - Port.events.lowerBound), byteCount: byteCount, value: value)
            case processorPlug:
                power.hotplug.writeProcessors(
                    UInt64(port - processorPlug.lowerBound), byteCount: byteCount, value: value)
            case devicePlug:
                power.hotplug.writeDevices(UInt64(port - devicePlug.lowerBound), byteCount: byteCount, value: value)
            case Port.memoryPlug:
                power.hotplug.writeMemory(
                    UInt64(port - Port.memoryPlug.lowerBound), byteCount: byteCount, value: value)
            default: return false
            }
        }
        switch power.takeRequest() {
        case .powerOff: end(.shutdown(reason: "power off"))
        case .reset: end(.shutdown(reason: "reset through port 0xCF9"))
        case .suspend: note("the guest asked to be suspended to memory (S3), which the engine does not do")
        case nil: break
        }
        return true
    }
}
