import Machine
import PCDevices
import Testing
import X86

/// Forks of a whole machine: independent, equal when they are run alike, and cheap.
@Suite struct ForkTests {
    /// Everything that can be found out about a state: processors, devices, disks, written pages, time.
    private func contents(_ machine: Machine) throws -> [String] {
        var list: [String] = ["time \(machine.virtualTime), active \(machine.activeProcessor)"]
        for processor in machine.processors {
            list.append("\(processor.save()) \(processor.system.pointee.retired)")
        }
        list.append(String(describing: machine.board))
        for page in machine.memory.writtenPages() {
            list.append("page \(page): \(try machine.readPhysical(UInt64(page) * 4096, count: 4096))")
        }
        machine.forEachWrittenRange(ofDisk: 0) { offset, count, bytes in
            list.append("disk \(offset), \(count): \(bytes ?? [])")
        }
        return list
    }

    /// Runs to a virtual time; it ends with the slice that reaches it.
    private func run(_ machine: Machine, to end: UInt64, step: UInt64) {
        while machine.virtualTime < end {
            switch machine.runAll(until: min(end, machine.virtualTime + step)) {
            case .budget: continue
            case .idle(let until): machine.skipIdleTime(to: min(until, end))
            case let exit:
                Issue.record("\(exit)")
                return
            }
        }
    }

    private func ticks(_ machine: Machine) throws -> [UInt8] {
        try machine.readPhysical(DeviceGuest.counters, count: 1)
            + machine.readPhysical(DeviceGuest.counters + 8, count: 1)
    }

    @Test(arguments: [false, true]) func parentAndChildGoOnAlike(usesMachineCode: Bool) throws {
        let parent = try DeviceGuest.machine { $0.usesMachineCode = usesMachineCode }
        run(parent, to: 300_000, step: 7_000)
        #expect(try ticks(parent) == [9, 14])
        let before = try contents(parent)
        let child = parent.fork()
        #expect(try contents(child) == before)
        // Each on its own: the one does not move the other.
        run(child, to: 500_000, step: 1_000)
        let after = try contents(child)
        #expect(try contents(parent) == before)
        #expect(after != before)
        // The other way, in other steps, and with forks of the forks on the way.
        run(parent, to: 400_000, step: 50_000)
        let grandchild = parent.fork()
        run(parent, to: 500_000, step: 333)
        #expect(try contents(parent) == after)
        run(grandchild, to: 500_000, step: 100_000)
        #expect(try contents(grandchild) == after)
        #expect(try contents(child) == after)
    }

    /// In the middle of a slice, of which the first processor has had its turn.
    @Test func aForkInTheMiddleOfASlice() throws {
        let parent = try DeviceGuest.machine { $0.stopsAtHypercalls = true }
        run(parent, to: 100_000, step: 1_000)
        // The next access to the page stops the guest before it.
        try parent.setWatched(DeviceGuest.counters, true)
        var exit = parent.runAll(until: parent.virtualTime + 100_000)
        while case .idle(let until) = exit {
            parent.skipIdleTime(to: until)
            exit = parent.runAll(until: until + 1_000)
        }
        guard case .watchedAccess = exit else {
            Issue.record("\(exit)")
            return
        }
        let child = parent.fork()
        for machine in [parent, child] { try machine.setWatched(DeviceGuest.counters, false) }
        run(child, to: 300_000, step: 5_000)
        run(parent, to: 300_000, step: 900)
        #expect(try contents(parent) == contents(child))
        #expect(try ticks(parent) != [0, 0])
    }

    @Test func disksOfForksAreTheirOwn() throws {
        let parent = try DeviceGuest.machine()
        run(parent, to: 65_000, step: 5_000)
        func writtenRanges(_ machine: Machine) -> [UInt64] {
            var list: [UInt64] = []
            machine.forEachWrittenRange(ofDisk: 0) { offset, _, _ in list.append(offset) }
            return list
        }
        let child = parent.fork()
        let written = writtenRanges(parent)
        #expect(!written.isEmpty)
        run(child, to: 185_000, step: 5_000)
        #expect(writtenRanges(parent) == written)
        #expect(writtenRanges(child).count > written.count)
        // What was read last is what the disk holds there: sector 9 n + 1, which nobody writes.
        let tick = try child.readPhysical(DeviceGuest.counters, count: 1)[0]
        #expect(try child.readPhysical(DeviceGuest.read, count: 2) == Array(repeating: tick &* 9 &+ 1, count: 2))
    }

    /// Where blocks end must not depend on the code that relatives have executed.
    @Test(arguments: [false, true]) func codeOfRelativesDoesNotCutBlocks(usesMachineCode: Bool) throws {
        var guest = LongModeGuest()
        let (main, other): (UInt64, UInt64) = (0x10_0000, 0x10_1000)
        guest.map(main, to: main)
        guest.map(other, to: other)
        guest.write(main, try Assembler.program("mov byte ptr [rbx], 1\ninc rax\ninc rax\ninc rax\n1: jmp 1b"))
        guest.write(other, try Assembler.program("1: jmp 1b"))
        guest.state.rip = main
        guest.state.general[3] = other + 0x800
        var options = MachineOptions()
        options.usesMachineCode = usesMachineCode
        let machine = try guest.machine(options: options)
        let first = machine.fork()
        #expect(first.run(budget: 1) == .budget)
        let relative = machine.fork()
        relative.processor[.rip] = other
        #expect(relative.run(budget: 10) == .budget)
        let second = machine.fork()
        #expect(second.run(budget: 1) == .budget)
        #expect(second.retiredInstructions == first.retiredInstructions)
        #expect(second.processor[.rip] == first.processor[.rip])
    }

    /// A processor that may write to a page in place notices when another one begins to execute code there.
    @Test(arguments: [false, true]) func codeIsNoticedByAllProcessors(usesMachineCode: Bool) throws {
        var guest = LongModeGuest()
        let (writer, code): (UInt64, UInt64) = (0x10_0000, 0x10_1000)
        guest.map(writer, to: writer)
        guest.map(code, to: code)
        // Makes the page its own, waits, and then changes the constant of the other processor's instruction.
        guest.write(
            writer,
            try Assembler.program(
                "mov byte ptr [rbx+0x800], 1\nmov ecx, 100000\n1: dec ecx\njnz 1b\nmov dword ptr [rbx+1], 7\n2: jmp 2b")
        )
        // mov eax, 1; jmp to the beginning.
        guest.write(code, [0xB8, 1, 0, 0, 0, 0xEB, 0xF9])
        guest.state.rip = writer
        guest.state.general[3] = code
        var options = MachineOptions.wholeMachine
        options.usesMachineCode = usesMachineCode
        let machine = try guest.machine(options: options, processors: 2)
        machine.processors[1][.rip] = code
        #expect(machine.runAll(until: 100_000) == .budget)
        #expect(machine.processors[1][.rax] == 1)
        #expect(machine.runAll(until: 600_000) == .budget)
        #expect(machine.processors[1][.rax] == 7)
    }

    /// Blocks can be looked up before the machine runs.
    @Test func codeThatChangesBeforeTheFirstRunIsNoticed() throws {
        var guest = LongModeGuest()
        let code: UInt64 = 0x10_0000
        guest.map(code, to: code)
        guest.write(code, [0x90, 0xEB, 0xFD])
        let machine = try guest.machine()
        #expect(try machine.block(at: code).block.instructions.count == 2)
        try machine.writePhysical(code, [0xEB, 0xFE])
        #expect(try machine.block(at: code).block.instructions.count == 1)
    }

    /// One state writes to code whose blocks another one has dropped meanwhile: neither sees the other's.
    @Test func codeOfDroppedBlocksCanBeWritten() throws {
        var guest = LongModeGuest()
        let (code, other): (UInt64, UInt64) = (0x10_0000, 0x10_1000)
        guest.map(code, to: code)
        guest.map(other, to: other)
        guest.write(code, [0x90, 0xEB, 0xFD])
        guest.write(other, [0xEB, 0xFE])
        let machine = try guest.machine().fork(blocks: BlockCache(limit: 0))
        let (writer, runner) = (machine.fork(), machine.fork())
        #expect(try writer.block(at: code).block.instructions.count == 2)
        runner.processor[.rip] = other
        #expect(runner.run(budget: 10) == .budget)
        try writer.writePhysical(code, [0xEB, 0xFE])
        #expect(try writer.block(at: code).block.instructions.count == 1)
        #expect(try runner.block(at: code).block.instructions.count == 2)
        #expect(try writer.block(at: code).block.instructions.count == 1)
    }

    @Test func forksThatEndGiveTheirMemoryBack() throws {
        let machine = try DeviceGuest.machine()
        run(machine, to: 100_000, step: 10_000)
        let census = machine.base.census
        let (pages, nodes) = (census.pageCount, census.nodeCount)
        #expect(pages == machine.memory.writtenPages().count)
        var forks: [Machine] = []
        for number in 0..<100 {
            let fork = (forks.last ?? machine).fork()
            forks.append(fork)
            // Shares all pages with the one before.
            #expect(census.pageCount == pages + number)
            try fork.writePhysical(0x80_0000 + UInt64(number) * 4096, [1])
        }
        #expect(census.pageCount == pages + 100)
        #expect(machine.blocks.translationCount == 2)
        // The last one holds all of them.
        forks.removeFirst(99)
        #expect(census.pageCount == pages + 100)
        forks.removeAll()
        #expect(census.pageCount == pages)
        #expect(census.nodeCount == nodes)
    }

    /// Only those that ran last hold translation caches, and those that lost theirs go on as before.
    @Test func translationCachesAreBounded() throws {
        let blocks = BlockCache(translations: 4)
        let machine = try DeviceGuest.machine().fork(blocks: blocks)
        run(machine, to: 100_000, step: 10_000)
        let forks = (0..<12).map { _ in machine.fork() }
        for end in [150_000, 200_000, 250_000] as [UInt64] {
            for fork in forks { run(fork, to: end, step: 50_000) }
        }
        #expect(blocks.translationCount == 4)
        run(machine, to: 250_000, step: 10_000)
        machine.releaseCaches()
        #expect(blocks.translationCount == 2)
        let expected = try contents(machine)
        for fork in forks { #expect(try contents(fork) == expected) }
    }

    /// What a parked state holds is less, and all of it comes back.
    @Test(arguments: [false, true]) func parkedStatesGoOnAsBefore(usesMachineCode: Bool) throws {
        let parent = try DeviceGuest.machine { $0.usesMachineCode = usesMachineCode }
        run(parent, to: 100_000, step: 10_000)
        let census = parent.base.census
        let shared = census.pageCount
        let (child, twin) = (parent.fork(), parent.fork())
        for end in [150_000, 200_000, 250_000] as [UInt64] {
            let before = census.pageCount
            run(child, to: end, step: 10_000)
            run(twin, to: end, step: 10_000)
            let own = census.pageCount - before
            child.park()
            #expect(child.isParked)
            #expect(census.parkedPageCount > 0)
            #expect(census.pageCount < before + own)
            child.park()
            // The parent goes its own way meanwhile.
            run(parent, to: end, step: 7_000)
            child.unpark()
            #expect(!child.isParked)
            #expect(census.parkedPageCount == 0)
            #expect(try contents(child) == contents(twin))
        }
        #expect(try contents(child) == contents(parent))
        #expect(census.pageCount > shared)
    }

    /// A page that differs in all its words stays whole; marks and the code of pages stay, too.
    @Test(arguments: [false, true]) func parkedPagesKeepWhatTheyAre(usesMachineCode: Bool) throws {
        var guest = LongModeGuest()
        let (code, data): (UInt64, UInt64) = (0x10_0000, 0x10_2000)
        guest.map(code, to: code)
        guest.map(data, to: data)
        guest.write(code, [0x90, 0xEB, 0xFD])
        guest.state.rip = code
        var options = MachineOptions()
        options.usesMachineCode = usesMachineCode
        let parent = try guest.machine(options: options)
        let machine = parent.fork()
        // mov eax, 1; jmp to the beginning: code that only this state has.
        try machine.writePhysical(code, [0xB8, 1, 0, 0, 0, 0xEB, 0xF9])
        #expect(machine.run(budget: 100) == .budget)
        let noise = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 1) }
        try machine.writePhysical(data, noise)
        try machine.setWatched(data + 4096, true)
        let pages = machine.base.census.pageCount
        machine.park()
        let census = machine.base.census
        // The page of noise is as it was.
        #expect(census.pageCount == 1)
        #expect(census.pageCount + census.parkedPageCount == pages)
        machine.unpark()
        #expect(machine.isWatched(data + 4096))
        #expect(try machine.readPhysical(data, count: 4096) == noise)
        #expect(machine.run(budget: 100) == .budget)
        #expect(machine.processor[.rax] == 1)
        try machine.writePhysical(code + 1, [7])
        #expect(machine.run(budget: 100) == .budget)
        #expect(machine.processor[.rax] == 7)
        // Not the parent's.
        #expect(try parent.readPhysical(code, count: 3) == [0x90, 0xEB, 0xFD])
    }

    /// A state may end while it is parked.
    @Test func parkedStatesGiveTheirMemoryBack() throws {
        let machine = try DeviceGuest.machine()
        run(machine, to: 50_000, step: 10_000)
        let census = machine.base.census
        let (pages, nodes) = (census.pageCount, census.nodeCount)
        var forks: [Machine] = []
        for _ in 0..<20 {
            let fork = machine.fork()
            run(fork, to: 90_000, step: 10_000)
            fork.park()
            forks.append(fork)
        }
        #expect(census.parkedPageCount >= 20 * 5)
        forks.removeAll()
        #expect(census.parkedPageCount == 0)
        #expect(census.pageCount == pages)
        #expect(census.nodeCount == nodes)
    }

    /// Blocks are dropped when they are too many, in the middle of a run, and the run stays the same.
    @Test(arguments: [false, true]) func droppedBlocksAreLiftedAgain(usesMachineCode: Bool) throws {
        let usual = try DeviceGuest.machine { $0.usesMachineCode = usesMachineCode }
        let scarce = usual.fork(blocks: BlockCache(limit: 2_000))
        let other = usual.fork(blocks: scarce.blocks)
        run(usual, to: 400_000, step: 10_000)
        for end in stride(from: UInt64(10_000), through: 400_000, by: 10_000) {
            run(scarce, to: end, step: 10_000)
            run(other, to: end, step: 10_000)
        }
        #expect(scarce.blocks.count < usual.blocks.count)
        #expect(try contents(scarce) == contents(usual))
        #expect(try contents(other) == contents(usual))
    }

    /// Forks that run hold what they have written, and what their parent has written since; nothing stays behind when they are gone.
    @Test func forksHoldWhatChanged() throws {
        let machine = try DeviceGuest.machine()
        run(machine, to: 50_000, step: 10_000)
        let before = machine.base.census.pageCount
        let region = try #require(machine.base.regions.filter(\.isWritable).max { $0.byteCount < $1.byteCount })
        let places = (0..<8).map { region.start + $0 * (region.byteCount / 4096 / 8) * 4096 }
        var forks: [Machine] = []
        for _ in 0..<50 {
            for place in places { try machine.writePhysical(place, try machine.readPhysical(place, count: 1)) }
            let fork = machine.fork()
            run(fork, to: fork.virtualTime + 40_000, step: 10_000)
            forks.append(fork)
        }
        let held = machine.base.census.pageCount - before
        #expect(held > 50 * 10 && held < 50 * 30)
        forks.removeAll()
        #expect(machine.base.census.pageCount == before + 8)
    }
}
