/// A range of ports or memory that a function decodes at present.
struct PCIWindow: Sendable, Hashable {
    var range: Range<UInt64>
    /// Index of the function.
    var function: Int
    var target: Target

    enum Target: Sendable, Hashable {
        case base(PCIBaseAddress)
        /// The memory-mapped configuration space of all functions.
        case configuration
        /// Chip configuration registers of the ICH9.
        case chipset
    }
}

extension PCIBus {
    /// Ports of configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2).
    private enum Port {
        static let address: UInt16 = 0xCF8
        static let data: UInt16 = 0xCFC
    }

    /// Whether the PCI bus answers at a port. An access of another width to 0xCF8-0xCFB is the board's (0xCF9 is the reset register).
    package func claims(port: UInt16, byteCount: Int) -> Bool {
        if port == Port.address { return byteCount == 4 }
        if port & ~3 == Port.data { return true }
        return Self.window(portWindows, UInt64(port)) != nil
    }

    /// Whether the PCI bus answers at an address outside of RAM.
    package func claims(memory address: UInt64) -> Bool { Self.window(memoryWindows, address) != nil }

    /// The ranges of memory that the PCI bus decodes at present, in order, without overlaps.
    package var memoryRanges: [Range<UInt64>] { memoryWindows.map(\.range) }

    package mutating func readPort(_ port: UInt16, byteCount: Int, now: UInt64) -> UInt64 {
        let value: UInt64
        if port & ~3 == Port.address {
            value = UInt64(configurationAddress) >> UInt64(8 * (port & 3))
        } else if port & ~3 == Port.data {
            value = readSelected(Int(port & 3), byteCount: byteCount)
        } else {
            value = read(Self.window(portWindows, UInt64(port)), UInt64(port), byteCount: byteCount, now: now)
        }
        return value & Self.ones(byteCount)
    }

    package mutating func writePort<Memory: PhysicalMemory & ~Copyable>(
        _ port: UInt16, byteCount: Int, value: UInt64, now: UInt64, memory: inout Memory
    ) {
        let value = value & Self.ones(byteCount)
        if port & ~3 == Port.address {
            if port == Port.address, byteCount == 4 { configurationAddress = UInt32(truncatingIfNeeded: value) }
        } else if port & ~3 == Port.data {
            guard configurationAddress >> 31 != 0 else { return }
            writeConfiguration(
                bus: UInt8(truncatingIfNeeded: configurationAddress >> 16),
                function: UInt8(truncatingIfNeeded: configurationAddress >> 8),
                Int(configurationAddress & 0xFC) | Int(port & 3), byteCount: byteCount, value: value, memory: &memory)
        } else {
            write(
                Self.window(portWindows, UInt64(port)), UInt64(port), byteCount: byteCount, value: value,
                memory: &memory)
        }
    }

    package mutating func readMemory(_ address: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        read(Self.window(memoryWindows, address), address, byteCount: byteCount, now: now) & Self.ones(byteCount)
    }

    package mutating func writeMemory<Memory: PhysicalMemory & ~Copyable>(
        _ address: UInt64, byteCount: Int, value: UInt64, now: UInt64, memory: inout Memory
    ) {
        write(
            Self.window(memoryWindows, address), address, byteCount: byteCount, value: value & Self.ones(byteCount),
            memory: &memory)
    }

    private mutating func readSelected(_ place: Int, byteCount: Int) -> UInt64 {
        guard configurationAddress >> 31 != 0 else { return UInt64.max }
        return readConfiguration(
            bus: UInt8(truncatingIfNeeded: configurationAddress >> 16),
            function: UInt8(truncatingIfNeeded: configurationAddress >> 8),
            Int(configurationAddress & 0xFC) | place, byteCount: byteCount)
    }

    private mutating func read(_ window: PCIWindow?, _ address: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        guard let window else { return UInt64.max }
        let offset = address - window.range.lowerBound
        switch window.target {
        case .base(let base):
            note(window.function)
            let value = functions[window.function].read(base, offset, byteCount: byteCount, now: now)
            routeInterrupts()
            return value
        case .configuration:
            return readConfiguration(
                bus: UInt8(truncatingIfNeeded: offset >> 20), function: UInt8(truncatingIfNeeded: offset >> 12),
                Int(offset & 0xFFF), byteCount: byteCount)
        case .chipset:
            guard case .ich9(let routing) = functions[window.function].device else { return 0 }
            return routing.read(offset, byteCount: byteCount)
        }
    }

    private mutating func write<Memory: PhysicalMemory & ~Copyable>(
        _ window: PCIWindow?, _ address: UInt64, byteCount: Int, value: UInt64, memory: inout Memory
    ) {
        guard let window else { return }
        let offset = address - window.range.lowerBound
        switch window.target {
        case .base(let base):
            note(window.function)
            functions[window.function].write(base, offset, byteCount: byteCount, value: value, memory: &memory)
            collectMessages(window.function)
        case .configuration:
            writeConfiguration(
                bus: UInt8(truncatingIfNeeded: offset >> 20), function: UInt8(truncatingIfNeeded: offset >> 12),
                Int(offset & 0xFFF), byteCount: byteCount, value: value, memory: &memory)
        case .chipset:
            guard case .ich9(var routing) = functions[window.function].device else { return }
            functions[window.function].device = .inert
            routing.write(offset, byteCount: byteCount, value: value)
            functions[window.function].device = .ich9(routing)
        }
        routeInterrupts()
    }

    /// Notes that the guest has touched a function that the engine lacks.
    private mutating func note(_ index: Int) {
        guard functions[index].isUnsupported else { return }
        let name = functions[index].sectionName
        if !touchedUnsupported.contains(name) { touchedUnsupported.append(name) }
    }

    private static func ones(_ byteCount: Int) -> UInt64 {
        byteCount >= 8 ? UInt64.max : (1 << UInt64(8 * max(byteCount, 0))) - 1
    }
}

extension PCIBus {
    /// Finds the windows anew, after a write to registers that place them.
    mutating func mapWindows() {
        var ports: [PCIWindow] = []
        var memory: [PCIWindow] = []
        for (index, function) in functions.enumerated() {
            for base in function.configuration.baseAddresses {
                guard let range = function.configuration.range(of: base) else { continue }
                let window = PCIWindow(range: range, function: index, target: .base(base))
                if base.space == .ports { ports.append(window) } else { memory.append(window) }
            }
        }
        // The windows of the chipset lie over those of functions.
        if let memoryController, let range = configurationWindow(functions[memoryController].configuration) {
            memory.insert(PCIWindow(range: range, function: memoryController, target: .configuration), at: 0)
        }
        if let ich9 {
            // RCBA (ICH9 13.1.36): bit 0 enables 16 KiB at bits 14-31.
            let base = functions[ich9].configuration.read(0xF0, byteCount: 4)
            if base & 1 != 0 {
                let start = base & ~0x3FFF
                memory.insert(
                    PCIWindow(
                        range: start..<start + UInt64(ICH9Routing.byteCount), function: ich9, target: .chipset), at: 0)
            }
        }
        portWindows = Self.sorted(ports)
        memoryWindows = Self.sorted(memory)
    }

    /// PCIEXBAR of the memory controller (82Q35 data sheet, 5.1.16): bit 0 enables, bits 1-2 select 256, 128 or 64 MiB.
    private func configurationWindow(_ configuration: PCIConfigurationSpace) -> Range<UInt64>? {
        let value = configuration.read(0x60, byteCount: 8)
        guard value & 1 != 0, value >> 1 & 3 < 3 else { return nil }
        let count = UInt64(256 << 20) >> (value >> 1 & 3)
        // Address bits 28-35.
        let start = value & 0xF_FFFF_FFFF & ~(count - 1)
        return start..<start + count
    }

    /// In order of addresses; of windows that overlap, the earlier in the list stays.
    private static func sorted(_ windows: [PCIWindow]) -> [PCIWindow] {
        var list: [PCIWindow] = []
        for window in windows where !list.contains(where: { $0.range.overlaps(window.range) }) { list.append(window) }
        return list.sorted { $0.range.lowerBound < $1.range.lowerBound }
    }

    /// The window with an address, by bisection.
    static func window(_ windows: [PCIWindow], _ address: UInt64) -> PCIWindow? {
        var low = 0
        var high = windows.count
        while low < high {
            let middle = (low + high) / 2
            if windows[middle].range.upperBound <= address { low = middle + 1 } else { high = middle }
        }
        return low < windows.count && windows[low].range.contains(address) ? windows[low] : nil
    }
}
