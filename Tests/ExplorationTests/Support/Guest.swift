import Exploration
import Machine
import Testing
import X86

/// A hand-made long-mode guest: 16 MiB of RAM, mapped one to one, supervisor mode, with a GDT, an IDT and a stack.
///
/// | physical | content |
/// |---|---|
/// | 0x1000-0x4FFF | page tables: the first 2 MiB in 4 KiB pages, the rest in 2 MiB pages |
/// | 0x5000 | GDT: null, 64-bit code, data |
/// | 0x6000 | IDT, gates only where the test asks for them |
/// | 0x80000 | top of the stack |
/// | 0x100000 | the program |
struct Guest {
    static let pageTable: UInt64 = 0x4000
    private var pages: [UInt64: [UInt8]] = [:]
    private var entry: UInt64 = 0
    private var interruptTableSize = 0

    init(_ program: Toolchain.Program) {
        write(program.bytes, at: Toolchain.loadAddress)
        entry = program.entry
        set(0x1000, 0x2000 | 7)
        set(0x2000, 0x3000 | 7)
        set(0x3000, Self.pageTable | 7)
        for index in 1..<8 { set(0x3000 + UInt64(index) * 8, UInt64(index) << 21 | 0x87) }
        for index in 0..<512 { set(Self.pageTable + UInt64(index) * 8, UInt64(index) << 12 | 7) }
        set(0x5008, 0x00AF_9B00_0000_FFFF)
        set(0x5010, 0x00CF_9300_0000_FFFF)
    }

    /// Writes bytes to physical memory.
    mutating func write(_ bytes: [UInt8], at address: UInt64) {
        for (index, byte) in bytes.enumerated() {
            let place = address + UInt64(index)
            pages[place & ~4095, default: Array(repeating: 0, count: 4096)][Int(place & 4095)] = byte
        }
    }

    /// Writes a 64-bit word to physical memory.
    mutating func set(_ address: UInt64, _ value: UInt64) {
        write(withUnsafeBytes(of: value.littleEndian) { Array($0) }, at: address)
    }

    /// Takes a 4 KiB page of the first 2 MiB out of the page table.
    mutating func unmap(_ address: UInt64) { set(Self.pageTable + (address >> 12) * 8, 0) }

    /// An interrupt gate to `handler`.
    mutating func setGate(_ vector: UInt64, handler: UInt64) {
        set(0x6000 + vector * 16, handler & 0xFFFF | 8 << 16 | 0x8E00 << 32 | (handler >> 16 & 0xFFFF) << 48)
        set(0x6000 + vector * 16 + 8, handler >> 32)
        interruptTableSize = 4096
    }

    func machine() throws -> Machine {
        var state = ProcessorState()
        state.rip = entry
        state.general[4] = 0x7FFF8
        state.cr0 = 0x8005_0033
        state.cr3 = 0x1000
        state.cr4 = CR4.fxSave | CR4.xSave | 0x20 | 0x400
        state.xcr0 = XCR0.wideVectors | XCR0.x87
        state.efer = 0xD01
        let code = SegmentState(selector: 8, base: 0, limit: 0xFFFF_FFFF, attributes: 0x00AF_9B00)
        let data = SegmentState(selector: 16, base: 0, limit: 0xFFFF_FFFF, attributes: 0x00CF_9300)
        state.segments = [data, code, data, data, data, data]
        state.globalDescriptorTable = DescriptorTableState(base: 0x5000, limit: 0x17)
        state.interruptDescriptorTable = DescriptorTableState(
            base: 0x6000, limit: UInt16(max(0, interruptTableSize - 1)))
        let source = MemoryPageSource(
            regions: [MemoryRegion(name: "ram", start: 0, byteCount: 16 << 20)], pages: pages)
        return try Machine(base: try BaseMemory(source: source), processors: [state])
    }
}

extension ExplorationLimits {
    /// As ever, with time for every query on any machine: which paths there are must not depend on how busy it is.
    static let patient: ExplorationLimits = {
        var limits = ExplorationLimits()
        limits.solverTimeout = .seconds(600)
        return limits
    }()
}

/// One exploration with the checks that every exploration must pass.
struct Exploration {
    let machine: Machine
    let report: ExplorationReport

    init(
        _ guest: Guest, searcher: any Searcher = DepthFirstSearcher(),
        limits: ExplorationLimits = .patient, replays: Bool = true
    ) throws {
        machine = try guest.machine()
        let explorer = try Explorer(machine: machine, searcher: searcher, limits: limits)
        report = try explorer.run()
        guard replays else { return }
        for testCase in report.testCases where !testCase.end.kind.hasPrefix("unfinished") {
            let difference = Replay(testCase, on: machine).difference(from: testCase)
            #expect(
                difference == nil, "path \(testCase.path), inputs \(testCase.inputs.map(\.text)): \(difference ?? "")")
        }
    }

    /// Explores a C program.
    static func run(
        _ source: String, searcher: any Searcher = DepthFirstSearcher(),
        limits: ExplorationLimits = .patient, options: [String] = []
    ) throws -> Exploration {
        try Exploration(
            Guest(try Toolchain.compile(source, options: options)), searcher: searcher, limits: limits)
    }

    /// The statuses of the paths that finished, in ascending order.
    var statuses: [UInt64] { report.testCases.compactMap(\.end.status).sorted() }

    /// Inputs (the first buffer) of the paths with a status.
    func inputs(status: UInt64) -> [[UInt8]] {
        report.testCases.filter { $0.end.status == status }.compactMap { testCase in
            testCase.inputs.first.map { testCase.bytes(of: $0) }
        }
    }

    func texts(status: UInt64) -> [String] {
        inputs(status: status).map { String(decoding: $0, as: UTF8.self) }.sorted()
    }
}
