import Machine
import X86

/// A hand-made guest outside of 64-bit mode: 16 MiB of RAM, one program at 0x7000, tables below.
struct LegacyGuest {
    static let code: UInt64 = 0x7000
    static let globalTable: UInt64 = 0x3000
    static let interruptTable: UInt64 = 0x4000
    static let task: UInt64 = 0x5000
    static let kernelStack: UInt32 = 0x9000
    static let userStack: UInt64 = 0xB000
    /// Roots of page tables of each kind.
    static let directory32: UInt64 = 0x10000
    static let pointersPAE: UInt64 = 0x20000
    static let rootLong: UInt64 = 0x30000

    static let code32: UInt16 = 0x08
    static let data: UInt16 = 0x10
    static let code64: UInt16 = 0x18
    static let userCode32: UInt16 = 0x23
    static let userData: UInt16 = 0x2B
    static let userCode64: UInt16 = 0x33
    static let code16: UInt16 = 0x38
    static let taskSelector: UInt16 = 0x40
    /// Three quadwords for the test's own descriptors from here on.
    static let own: UInt16 = 0x50

    private(set) var pages: [UInt64: [UInt8]] = [:]
    var state = ProcessorState()
    var options = MachineOptions()

    init(_ program: String) throws {
        write(Self.code, try Assembler.program("start:\n" + program))
        let descriptors: [UInt64] = [
            0, 0x00CF_9A00_0000_FFFF, 0x00CF_9200_0000_FFFF, 0x00AF_9A00_0000_FFFF, 0x00CF_FA00_0000_FFFF,
            0x00CF_F200_0000_FFFF, 0x00AF_FA00_0000_FFFF, 0x0000_9A00_0000_FFFF,
            0x0000_8900_0000_0067 | Self.task << 16, 0,
        ]
        for (index, descriptor) in descriptors.enumerated() { put(Self.globalTable + UInt64(index * 8), descriptor) }
        put32(Self.task + 4, Self.kernelStack)
        put32(Self.task + 8, UInt32(Self.data))
        state.globalDescriptorTable = DescriptorTableState(base: Self.globalTable, limit: 0x7F)
        state.interruptDescriptorTable = DescriptorTableState(base: Self.interruptTable, limit: 0x7FF)
        state.task = SegmentState(selector: Self.taskSelector, base: Self.task, limit: 0x67, attributes: 0x8B00)
        state.rip = Self.code
        state.cr0 = CR0.extensionType | CR0.numericError
    }

    /// Real-address mode: all segments at 0.
    mutating func setReal() {
        for index in 0..<6 { state.segments[index] = SegmentState(limit: 0xFFFF, attributes: 0x9300) }
        state.interruptDescriptorTable = DescriptorTableState(base: 0, limit: 0x3FF)
        state.general[4] = 0x6FF0
    }

    /// Protected mode with flat 32-bit segments.
    mutating func setProtected(isUser: Bool) {
        let level: UInt32 = isUser ? 3 : 0
        state.cr0 |= CR0.protectionEnable
        state.segments[1] = SegmentState(
            selector: isUser ? Self.userCode32 : Self.code32, limit: 0xFFFF_FFFF, attributes: 0xC0_9B00 | level << 13)
        for index in [0, 2, 3, 4, 5] {
            state.segments[index] = SegmentState(
                selector: isUser ? Self.userData : Self.data, limit: 0xFFFF_FFFF, attributes: 0xC0_9300 | level << 13)
        }
        state.general[4] = isUser ? Self.userStack : UInt64(Self.kernelStack)
    }

    /// Identity maps of the first 4 MiB: with 4 KiB pages for 32-bit and PAE paging, one large page in long mode.
    mutating func makePageTables() {
        put32(Self.directory32, UInt32(Self.directory32 + 0x1000) | 7)
        for page in UInt64(0)..<1024 {
            put32(Self.directory32 + 0x1000 + page * 4, UInt32(page << 12) | 7)
        }
        put(Self.pointersPAE, Self.pointersPAE + 0x1001)
        for half in UInt64(0)..<2 {
            put(Self.pointersPAE + 0x1000 + half * 8, Self.pointersPAE + 0x2007 + half * 0x1000)
            for page in UInt64(0)..<512 {
                put(Self.pointersPAE + 0x2000 + half * 0x1000 + page * 8, (half << 21 | page << 12) | 7)
            }
        }
        put(Self.rootLong, Self.rootLong + 0x1007)
        put(Self.rootLong + 0x1000, Self.rootLong + 0x2007)
        put(Self.rootLong + 0x2000, 0x87)
        put(Self.rootLong + 0x2008, 0x20_0087)
    }

    /// An interrupt gate of 32 bits to the place `label` bytes into the program.
    mutating func setGate(_ vector: UInt64, _ target: UInt64, level: UInt64 = 0, type: UInt64 = 0x8E) {
        put(
            Self.interruptTable + vector * 8,
            target & 0xFFFF | UInt64(Self.code32) << 16 | (type | level << 5) << 40 | (target >> 16) << 48)
    }

    mutating func put(_ address: UInt64, _ value: UInt64) {
        write(address, (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) })
    }

    mutating func put32(_ address: UInt64, _ value: UInt32) {
        write(address, (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32($0 * 8)) })
    }

    mutating func write(_ address: UInt64, _ bytes: [UInt8]) {
        for (index, byte) in bytes.enumerated() {
            let position = address + UInt64(index)
            pages[position & ~4095, default: Array(repeating: 0, count: 4096)][Int(position & 4095)] = byte
        }
    }

    func machine() throws -> Machine {
        let source = MemoryPageSource(
            regions: [MemoryRegion(name: "ram", start: 0, byteCount: 16 << 20)], pages: pages)
        return try Machine(base: try BaseMemory(source: source), processors: [state], options: options)
    }

    /// Assembly text of hypercall `number`, in every mode.
    static func call(_ number: Int) -> String {
        "; .byte 0x0f, 0x1f, 0x84, 0, \(number & 255), \(number >> 8), 0x4d, 0x53;"
    }
}

extension Machine {
    /// A little-endian word of guest-physical memory.
    func word(_ address: UInt64, _ count: Int = 4) throws -> UInt64 {
        try readPhysical(address, count: count).enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64($1.offset * 8) }
    }
}
