import X86

/// A guest without an operating system: one static program in user mode, for measurements.
///
/// RAM is mapped one to one with pages of 4 KiB below `memorySize`; the stack is at its top. The program ends with Stemma's hypercall or
/// runs for ever; there is nothing that handles exceptions.
package struct BareGuest {
    /// Bytes of RAM.
    package static let memorySize: UInt64 = 32 << 20
    /// The page tables: one page each for levels 4, 3 and 2, and one for every 2 MiB of RAM.
    private static let tables: UInt64 = 0x1000
    /// Rights of all table entries: present, writable, user.
    private static let rights: UInt64 = 7

    private var pages: [UInt64: [UInt8]] = [:]
    /// What the processor starts with; general registers may be set as a function's arguments.
    package var state = ProcessorState()

    package init() {
        state.cr0 = CR0.protectionEnable | CR0.paging | CR0.writeProtect | CR0.numericError | CR0.extensionType
        state.cr3 = Self.tables
        state.cr4 = CR4.physicalAddressExtension | CR4.fxSave | CR4.simdExceptions
        state.efer = EFER.longModeEnable | EFER.longModeActive | EFER.systemCall | EFER.noExecute
        // Flat 64-bit user code and data: present, level 3; CS.L for code.
        state.segments[1] = SegmentState(selector: 0x33, limit: 0xFFFF_FFFF, attributes: 0xA0_FB00)
        state.segments[2] = SegmentState(selector: 0x2B, limit: 0xFFFF_FFFF, attributes: 0xC0_F300)
        state.general[4] = Self.memorySize - 64
        put(Self.tables, (Self.tables + 0x1000) | Self.rights)
        put(Self.tables + 0x1000, (Self.tables + 0x2000) | Self.rights)
        for large in 0..<Self.memorySize >> 21 {
            let table = Self.tables + 0x3000 + large * 0x1000
            put(Self.tables + 0x2000 + large * 8, table | Self.rights)
            for page in 0..<UInt64(512) { put(table + page * 8, large << 21 | page << 12 | Self.rights) }
        }
    }

    /// A guest that starts at an ELF program's entry point.
    ///
    /// - Returns: nil when `elf` is no 64-bit ELF program, or one of its segments lies outside of RAM.
    package init?(elf: [UInt8]) {
        self.init()
        func word(_ offset: UInt64, _ count: UInt64) -> UInt64? {
            guard offset < UInt64(elf.count), UInt64(elf.count) - offset >= count else { return nil }
            return (0..<count).reduce(0) { $0 | UInt64(elf[Int(offset + $1)]) << ($1 * 8) }
        }
        // ELF-64 object file format: e_entry at 24, e_phoff at 32, e_phnum at 56; program headers of 56 bytes.
        guard word(0, 4) == 0x464C_457F, let entry = word(24, 8), let headers = word(32, 8), let count = word(56, 2)
        else { return nil }
        for index in 0..<count {
            let header = headers &+ index * 56
            guard let type = word(header, 4), let offset = word(header &+ 8, 8), let address = word(header &+ 16, 8),
                let length = word(header &+ 32, 8)
            else { return nil }
            // PT_LOAD.
            guard type == 1 else { continue }
            let end = offset.addingReportingOverflow(length)
            guard !end.overflow, end.partialValue <= UInt64(elf.count), address < Self.memorySize,
                Self.memorySize - address > length, address >= 0x40_0000
            else { return nil }
            write(address, Array(elf[Int(offset)..<Int(end.partialValue)]))
        }
        state.rip = entry
    }

    private mutating func put(_ address: UInt64, _ value: UInt64) {
        write(address, (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) })
    }

    /// Stores bytes in RAM.
    package mutating func write(_ address: UInt64, _ bytes: [UInt8]) {
        var position = address
        var rest = bytes[...]
        while !rest.isEmpty {
            let offset = Int(position & 4095)
            let part = rest.prefix(4096 - offset)
            pages[position & ~4095, default: Array(repeating: 0, count: 4096)].replaceSubrange(
                offset..<offset + part.count, with: part)
            rest = rest.dropFirst(part.count)
            position &+= UInt64(part.count)
        }
    }

    /// The machine.
    package func machine(options: MachineOptions = MachineOptions()) throws(MachineError) -> Machine {
        let source = MemoryPageSource(
            regions: [MemoryRegion(name: "ram", start: 0, byteCount: Self.memorySize)], pages: pages)
        return try Machine(base: try BaseMemory(source: source), processors: [state], options: options)
    }
}
