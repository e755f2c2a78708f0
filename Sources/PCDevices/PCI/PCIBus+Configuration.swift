/// Configuration accesses, by mechanism #1 and by the memory-mapped window alike.
extension PCIBus {
    /// Reads registers of a function; ones when there is none (PCI Local Bus 3.0, 6.1).
    ///
    /// - Parameter function: device number times 8 plus function number.
    package mutating func readConfiguration(bus: UInt8, function: UInt8, _ offset: Int, byteCount: Int) -> UInt64 {
        guard let index = find(bus, function) else { return UInt64.max }
        let interrupt = functions[index].wantsInterrupt
        var value = functions[index].readConfiguration(offset, byteCount: byteCount)
        // Interrupt status (6.2.3) is a level, regardless of the disable bit.
        if interrupt, offset <= PCIRegister.status, offset + byteCount > PCIRegister.status {
            value |= UInt64(PCIStatus.interrupt) << UInt64(8 * (PCIRegister.status - offset))
        }
        routeInterrupts()
        return value
    }

    /// Writes registers of a function, and brings everything that they control up to date.
    package mutating func writeConfiguration<Memory: PhysicalMemory & ~Copyable>(
        bus: UInt8, function: UInt8, _ offset: Int, byteCount: Int, value: UInt64, memory: inout Memory
    ) {
        guard let index = find(bus, function) else { return }
        let old = functions[index].configuration
        functions[index].writeConfiguration(offset, byteCount: byteCount, value: value, memory: &memory)
        if placesWindows(index, old) { mapWindows() }
        collectMessages(index)
        routeInterrupts()
    }

    /// Registers that place windows have changed.
    private func placesWindows(_ index: Int, _ old: PCIConfigurationSpace) -> Bool {
        let new = functions[index].configuration
        // Header, PCIEXBAR of the memory controller, RCBA of the LPC function.
        return new.bytes[..<PCIRegister.headerEnd] != old.bytes[..<PCIRegister.headerEnd]
            || index == memoryController && new.bytes[0x60..<0x68] != old.bytes[0x60..<0x68]
            || index == ich9 && new.bytes[0xF0..<0xF4] != old.bytes[0xF0..<0xF4]
    }

    /// The function at a bus, device and function number.
    private func find(_ bus: UInt8, _ function: UInt8) -> Int? {
        functions.firstIndex { $0.address.path.last == function && self.bus($0.address) == bus }
    }

    /// Number of the bus that a function sits on: 0, or what its bridge's secondary bus register says; nil behind a bridge that is missing.
    private func bus(_ address: PCIAddress) -> UInt8? {
        if address.isOnRootBus { return 0 }
        let parent = PCIAddress(path: Array(address.path.dropLast()))
        guard let bridge = functions.first(where: { $0.address == parent }) else { return nil }
        let number = UInt8(
            truncatingIfNeeded: bridge.configuration.read(PCIRegister.Bridge.secondaryBus, byteCount: 1))
        return number == 0 ? nil : number
    }
}

/// Places of registers that other devices of the chipset live at.
extension PCIBus {
    /// First port of the power management registers, when they are enabled: PIIX4 (PMBA at 0x40, enabled by bit 0 of 0x80) or ICH9 (PMBASE at
    /// 0x40, enabled by bit 7 of ACPI_CNTL at 0x44).
    package var powerManagementPort: UInt16? {
        if let ich9 {
            let configuration = functions[ich9].configuration
            guard configuration.read(0x44, byteCount: 1) & 0x80 != 0 else { return nil }
            return UInt16(truncatingIfNeeded: configuration.read(0x40, byteCount: 2) & 0xFF80)
        }
        guard let function = functions.first(where: { $0.name == "piix4_pm" }),
            function.configuration.read(0x80, byteCount: 1) & 1 != 0
        else { return nil }
        return UInt16(truncatingIfNeeded: function.configuration.read(0x40, byteCount: 2) & 0xFFC0)
    }

    /// Global interrupt number of the ACPI event interrupt (SCI): 9 on pc; on q35 what ACPI_CNTL bits 0-2 select.
    package var systemControlInterrupt: Int? {
        guard let ich9 else { return 9 }
        switch functions[ich9].configuration.read(0x44, byteCount: 1) & 7 {
        case 0: return 9
        case 1: return 10
        case 2: return 11
        case 4: return 20
        case 5: return 21
        default: return nil
        }
    }
}
