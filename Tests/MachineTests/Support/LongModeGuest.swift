import Machine
import X86

/// A hand-made 64-bit guest: page tables, GDT, IDT and TSS in 16 MiB of RAM, code and data wherever a test maps them.
struct LongModeGuest {
    static let tables: UInt64 = 0x1000
    static let globalTable: UInt64 = 0x8000
    static let interruptTable: UInt64 = 0x9000
    static let taskSegment: UInt64 = 0xA000
    static let kernelStack: UInt64 = 0xC000
    static let faultStack: UInt64 = 0xD000
    static let memorySize: UInt64 = 16 << 20

    static let kernelCode: UInt16 = 0x10
    static let kernelData: UInt16 = 0x18
    /// 32-bit code of level 3.
    static let compatibilityCode: UInt16 = 0x23
    static let userData: UInt16 = 0x2B
    static let userCode: UInt16 = 0x33
    static let taskSelector: UInt16 = 0x40

    private(set) var pages: [UInt64: [UInt8]] = [:]
    private var nextTable: UInt64 = LongModeGuest.tables + 0x1000
    var state = ProcessorState()

    /// - Parameter isUser: start at privilege level 3.
    init(isUser: Bool = false) {
        state.cr0 = CR0.protectionEnable | CR0.paging | CR0.writeProtect | CR0.numericError | CR0.extensionType
        state.cr3 = Self.tables
        state.cr4 =
            CR4.physicalAddressExtension | CR4.fxSave | CR4.simdExceptions | CR4.globalPages | CR4.fsgsBase
        state.efer = EFER.longModeEnable | EFER.longModeActive | EFER.systemCall | EFER.noExecute
        state.star = UInt64(0x23) << 48 | UInt64(Self.kernelCode) << 32
        state.syscallMask = 0x47700
        let level: UInt32 = isUser ? 3 : 0
        state.segments[1] = SegmentState(
            selector: isUser ? Self.userCode : Self.kernelCode, limit: 0xFFFF_FFFF, attributes: 0xA0_9B00 | level << 13)
        state.segments[2] = SegmentState(
            selector: isUser ? Self.userData : Self.kernelData, limit: 0xFFFF_FFFF, attributes: 0xC0_9300 | level << 13)
        state.globalDescriptorTable = DescriptorTableState(base: Self.globalTable, limit: 0x4F)
        state.interruptDescriptorTable = DescriptorTableState(base: Self.interruptTable, limit: 0xFFF)
        state.task = SegmentState(
            selector: Self.taskSelector, base: Self.taskSegment, limit: 0x67, attributes: 0x8B00)
        put(Self.globalTable + 0x10, 0x00AF_9A00_0000_FFFF)
        put(Self.globalTable + 0x18, 0x00CF_9200_0000_FFFF)
        put(Self.globalTable + 0x20, 0x00CF_FA00_0000_FFFF)
        put(Self.globalTable + 0x28, 0x00CF_F200_0000_FFFF)
        put(Self.globalTable + 0x30, 0x00AF_FA00_0000_FFFF)
        put(Self.globalTable + 0x40, 0x0000_8900_0000_0067 | Self.taskSegment << 16)
        put(Self.taskSegment + 4, Self.kernelStack + 0x1000)
        put(Self.taskSegment + 0x24, Self.faultStack + 0x1000)
        // The tables themselves, for the supervisor.
        for page in stride(from: UInt64(0), to: 0x20000, by: 0x1000) { map(page, to: page) }
    }

    /// Stores a 64-bit word in physical memory.
    mutating func put(_ address: UInt64, _ value: UInt64) {
        write(address, (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) })
    }

    func word(_ address: UInt64) -> UInt64 {
        let page = pages[address & ~4095] ?? Array(repeating: 0, count: 4096)
        let offset = Int(address & 4095)
        return (0..<8).reduce(0) { $0 | UInt64(page[offset + $1]) << UInt64($1 * 8) }
    }

    /// Stores bytes in physical memory.
    mutating func write(_ address: UInt64, _ bytes: [UInt8]) {
        for (index, byte) in bytes.enumerated() {
            let position = address + UInt64(index)
            pages[position & ~4095, default: Array(repeating: 0, count: 4096)][Int(position & 4095)] = byte
        }
    }

    /// Maps one 4 KiB page.
    mutating func map(
        _ virtual: UInt64, to physical: UInt64, isUser: Bool = false, isWritable: Bool = true, isExecutable: Bool = true
    ) {
        var table = Self.tables
        for shift in [UInt64(39), 30, 21] {
            let entry = table + ((virtual >> shift) & 511) * 8
            if word(entry) == 0 {
                put(entry, nextTable | 7)
                nextTable += 0x1000
                if nextTable == Self.globalTable { nextTable = 0x10000 }
            }
            table = word(entry) & 0xF_FFFF_FFFF_F000
        }
        var flags: UInt64 = 1
        if isWritable { flags |= 2 }
        if isUser { flags |= 4 }
        if !isExecutable { flags |= 1 << 63 }
        put(table + ((virtual >> 12) & 511) * 8, physical | flags)
    }

    /// An interrupt gate.
    mutating func setGate(_ vector: UInt64, _ target: UInt64, stack: UInt64 = 0, level: UInt64 = 0) {
        let low =
            target & 0xFFFF | UInt64(Self.kernelCode) << 16 | stack << 32 | (0x8E00 | level << 13) << 32
            | (target & 0xFFFF_0000) << 32
        put(Self.interruptTable + vector * 16, low)
        put(Self.interruptTable + vector * 16 + 8, target >> 32)
    }

    func machine(options: MachineOptions = MachineOptions()) throws -> Machine {
        let source = MemoryPageSource(
            regions: [MemoryRegion(name: "ram", start: 0, byteCount: Self.memorySize)], pages: pages)
        return try Machine(base: try BaseMemory(source: source), processors: [state], options: options)
    }
}
