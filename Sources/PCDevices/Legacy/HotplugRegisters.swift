/// QEMU's registers for plugging processors, memory and PCI devices, on a machine where nothing is ever plugged.
///
/// Source: QEMU's docs/specs `acpi_cpu_hotplug`, `acpi_mem_hotplug`, `acpi_pci_hotplug`. Ports: processors 0xAF00 (pc) and 0xCD8 (q35), PCI 0xAE00 and 0xCC0, memory 0xA00.
package struct HotplugRegisters: Sendable, Hashable {
    /// What the guest has reported about a processor.
    struct ProcessorSlot: Sendable, Hashable {
        var isInserting = false
        var isRemoving = false
        var event: UInt32 = 0
        var status: UInt32 = 0
    }

    /// No machine of QEMU's has more slots.
    static let slotLimit = 4096

    /// Local APIC IDs of the processors that are there.
    let processorIDs: [UInt32]
    var slots: [ProcessorSlot]
    /// Before the guest selects a slot the registers are a bitmap of processors.
    var isBitmap = true
    var selectedProcessor: UInt32 = 0
    var command: UInt8 = 0
    var selectedBus: UInt32 = 0
    var deviceIndex: UInt32 = 0
    var selectedMemory: UInt32 = 0

    init(processorIDs: [UInt32]) {
        self.processorIDs = processorIDs
        slots = Array(repeating: ProcessorSlot(), count: processorIDs.count)
    }
}

extension HotplugRegisters {
    /// Commands of the processors' registers.
    private enum Command {
        static let findEvent: UInt8 = 0
        static let reportEvent: UInt8 = 1
        static let reportStatus: UInt8 = 2
        static let identify: UInt8 = 3
    }

    private var slot: Int? { selectedProcessor < slots.count ? Int(selectedProcessor) : nil }

    /// Reads the processors' registers.
    package func readProcessors(_ offset: UInt64, byteCount: Int) -> UInt64 {
        if isBitmap {
            return ByteAccess.read(offset, byteCount: byteCount) { offset in
                processorIDs.reduce(0) { $1 / 8 == offset ? $0 | 1 << UInt8($1 % 8) : $0 }
            }
        }
        guard let slot else { return 0 }
        let isPresent = slot < processorIDs.count
        switch offset {
        case 4:
            return (isPresent ? 1 : 0) | (slots[slot].isInserting ? 2 : 0) | (slots[slot].isRemoving ? 4 : 0)
        case 8:
            switch command {
            case Command.findEvent: return UInt64(selectedProcessor)
            case Command.identify: return isPresent ? UInt64(processorIDs[slot]) : 0
            default: return 0
            }
        default: return 0
        }
    }

    /// Writes the processors' registers. Ejecting is not supported: the processor stays.
    package mutating func writeProcessors(_ offset: UInt64, byteCount: Int, value: UInt64) {
        if isBitmap {
            // The first write of 0 to the selector, by the guest's ACPI tables, ends the bitmap.
            if offset == 0, value == 0 { isBitmap = false }
            return
        }
        if offset == 0 {
            selectedProcessor = UInt32(truncatingIfNeeded: value)
            return
        }
        guard let slot else { return }
        switch offset {
        case 4:
            if value & 2 != 0 {
                slots[slot].isInserting = false
            } else if value & 4 != 0 {
                slots[slot].isRemoving = false
            }
        case 5:
            guard value <= Command.identify else { return }
            command = UInt8(truncatingIfNeeded: value)
            guard command == Command.findEvent else { return }
            let order = Array(slot..<slots.count) + Array(0..<slot)
            if let found = order.first(where: { slots[$0].isInserting || slots[$0].isRemoving }) {
                selectedProcessor = UInt32(found)
            }
        case 8:
            if command == Command.reportEvent { slots[slot].event = UInt32(truncatingIfNeeded: value) }
            if command == Command.reportStatus { slots[slot].status = UInt32(truncatingIfNeeded: value) }
        default: break
        }
    }

    /// Reads the PCI registers: no slot is up, down or removable.
    package func readDevices(_ offset: UInt64, byteCount: Int) -> UInt64 {
        switch offset {
        case 0x10: UInt64(selectedBus)
        default: 0
        }
    }

    /// Writes the PCI registers: the bus; ejecting does nothing. No device has an index (offset 0x14).
    package mutating func writeDevices(_ offset: UInt64, byteCount: Int, value: UInt64) {
        if offset == 0x10 { selectedBus = UInt32(truncatingIfNeeded: value) }
    }

    /// Reads the memory's registers: there is no slot.
    package func readMemory(_ offset: UInt64, byteCount: Int) -> UInt64 { 0 }

    /// Writes the memory's registers: the selected slot.
    package mutating func writeMemory(_ offset: UInt64, byteCount: Int, value: UInt64) {
        if offset == 0 { selectedMemory = UInt32(truncatingIfNeeded: value) }
    }
}
