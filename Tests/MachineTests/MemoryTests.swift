import Machine
import Testing
import X86

@Suite struct MemoryTests {
    private func machine(_ pages: UInt64 = 64, _ contents: [UInt64: [UInt8]] = [:]) throws -> Machine {
        let source = MemoryPageSource(
            regions: [MemoryRegion(name: "ram", start: 0, byteCount: pages * 4096)], pages: contents)
        return try Machine(base: try BaseMemory(source: source), processors: [ProcessorState()])
    }

    /// A tree of forks against dictionaries: every state sees exactly its own writes and its ancestors' up to the fork.
    @Test func forksAgainstAModel() throws {
        var random = OperandGenerator(seed: 4242)
        var states: [(machine: Machine, model: [UInt64: UInt8])] = [(try machine(), [:])]
        for _ in 0..<4000 {
            let index = Int(random.below(UInt64(states.count)))
            switch random.below(10) {
            case 0 where states.count < 24:
                states.append((states[index].machine.fork(), states[index].model))
            case 1 where states.count > 1:
                states.remove(at: index)
            case 2, 3, 4, 5:
                let address = random.below(64 * 4096 - 16)
                let bytes = (0..<(1 + random.below(12))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                try states[index].machine.writePhysical(address, bytes)
                for (offset, byte) in bytes.enumerated() { states[index].model[address + UInt64(offset)] = byte }
            default:
                let known = states[index].model.keys.sorted()
                guard !known.isEmpty else { continue }
                let address = known[Int(random.below(UInt64(known.count)))]
                let byte = try states[index].machine.readPhysical(address, count: 1)
                #expect(byte == [states[index].model[address] ?? 0])
            }
        }
        for state in states {
            for (address, byte) in state.model {
                #expect(try state.machine.readPhysical(address, count: 1) == [byte])
            }
        }
    }

    @Test func baseIsReadOncePerPage() throws {
        let state = try machine(16, [0x3000: [1, 2, 3]])
        #expect(try state.readPhysical(0x3001, count: 2) == [2, 3])
        _ = try state.fork().readPhysical(0x3000, count: 4096)
        #expect(state.base.loadedPageCount == 1)
        #expect(state.memory.writtenPages().isEmpty)
    }

    @Test func pagesThatAreOnlyWrittenAreHeldOnce() throws {
        let state = try machine(16, [0x3000: [1, 2, 3], 0x5000: [4]])
        try state.writePhysical(0x3001, [9])
        #expect(state.base.loadedPageCount == 0)
        #expect(state.base.census.pageCount == 1)
        #expect(try state.readPhysical(0x3000, count: 4) == [1, 9, 3, 0])
        // Another state reads what the snapshot holds.
        let other = try Machine(base: state.base, processors: [ProcessorState()])
        #expect(try other.readPhysical(0x3000, count: 3) == [1, 2, 3])
        #expect(state.base.loadedPageCount == 1)
    }

    /// A state that is alone on its thread's base holds each page once; relatives make it keep both versions.
    @Test func aConfinedBaseLetsGoOfWrittenPages() throws {
        let source = MemoryPageSource(
            regions: [MemoryRegion(name: "ram", start: 0, byteCount: 16 * 4096)],
            pages: [0x3000: [1, 2, 3], 0x5000: [4, 5], 0x6000: [6]])
        let base = try BaseMemory(source: source, isConfined: true)
        let state = try Machine(base: base, processors: [ProcessorState()])
        for page in [0x3000, 0x5000, 0x6000] as [UInt64] { _ = try state.readPhysical(page, count: 1) }
        #expect(base.loadedPageCount == 3 && state.touchedPageCount == 3)
        try state.writePhysical(0x3001, [9])
        #expect(base.loadedPageCount == 2 && state.touchedPageCount == 3)
        #expect(try state.readPhysical(0x3000, count: 3) == [1, 9, 3])
        let fork = state.fork()
        #expect(base.census.stateCount == 2)
        try fork.writePhysical(0x5000, [8])
        #expect(base.loadedPageCount == 2)
        #expect(try state.readPhysical(0x5000, count: 2) == [4, 5])
        #expect(try fork.readPhysical(0x5000, count: 2) == [8, 5])
        // What was let go of is read again by who has not written it.
        let other = try Machine(base: base, processors: [ProcessorState()])
        #expect(try other.readPhysical(0x3000, count: 3) == [1, 2, 3])
        #expect(base.loadedPageCount == 3)
    }

    @Test func addressesOutsideAreErrors() throws {
        let state = try machine(1)
        #expect(throws: MachineError.self) { try state.readPhysical(4095, count: 2) }
        #expect(throws: MachineError.self) { try state.writePhysical(4095, [1, 2]) }
        #expect(try state.readPhysical(4095, count: 1) == [0])
    }

    @Test func overlappingRegionsAreRefused() {
        let source = MemoryPageSource(regions: [
            MemoryRegion(name: "a", start: 0, byteCount: 8192), MemoryRegion(name: "b", start: 4096, byteCount: 4096),
        ])
        #expect(throws: MachineError.self) { try BaseMemory(source: source) }
    }

    @Test func unreadablePagesAreReported() throws {
        struct Broken: PageSource {
            struct Failure: Error {}
            let regions = [MemoryRegion(name: "ram", start: 0, byteCount: 4096)]
            func readPage(at address: UInt64, into page: UnsafeMutableRawBufferPointer) throws { throw Failure() }
        }
        let state = try Machine(base: try BaseMemory(source: Broken()), processors: [ProcessorState()])
        #expect(throws: MachineError.self) { try state.readPhysical(0, count: 1) }
        #expect(throws: MachineError.self) { try state.writePhysical(0, [1]) }
        #expect(state.memory.writtenPages().isEmpty && state.base.census.pageCount == 0)
    }

    @Test func watchBelongsToOneState() throws {
        let state = try machine()
        let other = state.fork()
        try state.setWatched(0x5000, true)
        #expect(state.isWatched(0x5123))
        #expect(!other.isWatched(0x5123))
        let later = state.fork()
        #expect(later.isWatched(0x5000))
        try later.setWatched(0x5000, false)
        #expect(state.isWatched(0x5000))
    }

    @Test func threadsShareTheBase() async throws {
        let contents = Dictionary(uniqueKeysWithValues: (0..<64).map { (UInt64($0) * 4096, [UInt8($0), 1, 2]) })
        let source = MemoryPageSource(
            regions: [MemoryRegion(name: "ram", start: 0, byteCount: 64 * 4096)], pages: contents)
        let base = try BaseMemory(source: source)
        let sums = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let state = try Machine(base: base, processors: [ProcessorState()])
                    return try (0..<64).reduce(0) { $0 + Int(try state.readPhysical(UInt64($1) * 4096, count: 1)[0]) }
                }
            }
            return try await group.reduce(into: [Int]()) { $0.append($1) }
        }
        #expect(sums == Array(repeating: 2016, count: 4))
        #expect(base.loadedPageCount == 64)
    }
}
