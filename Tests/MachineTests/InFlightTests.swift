import Machine
import PCDevices
import Testing
import VMState
import X86

/// What KVM had on its way to a processor when the snapshot was made.
@Suite(.serialized) struct InFlightTests {
    private static let apic: UInt64 = 0xFEE0_0000

    /// A stream of a new PC whose first processor has vector 0x55 in service and requested once more, and the vector in
    /// `env.interrupt_injected`.
    private func stream(isSoft: Bool) throws -> MigrationStream {
        let (fresh, _) = try QEMUStreams.make(QEMUStreams.pc)
        let machine = try fresh.machine()
        try machine.deviceWrite(Self.apic + 0xF0, byteCount: 4, value: 0x1FF)
        var apic = machine.board.localAPICs[0]
        apic.accept(InterruptMessage(vector: 0x55, destination: 0))
        #expect(apic.acknowledge() == 0x55)
        apic.accept(InterruptMessage(vector: 0x55, destination: 0))
        var stream = try machine.save(over: fresh)
        var section = try #require(stream.device("apic", 0))
        try apic.save(to: &section)
        try stream.replace(section)
        var processor = try #require(try stream.cpus().first)
        processor.interruptInjected = 0x55
        try processor.set("env.soft_interrupt", to: isSoft ? 1 : 0)
        try stream.replace(processor)
        return stream
    }

    /// The processor is in its handler at once, which an empty table of real-address mode puts at address 0. The controller is not asked again.
    @Test func anInterruptIsDelivered() throws {
        let stream = try stream(isSoft: false)
        let machine = try stream.machine()
        let processor = machine.processors[0]
        #expect(processor.system.pointee.segments[1].selector == 0 && processor[.rip] == 0)
        #expect(processor[.rsp] == 0xFFFA)
        #expect(try machine.readPhysical(0xFFFA, count: 4) == [0xF0, 0xFF, 0x00, 0xF0])
        #expect(machine.activeProcessor == 0)
        var apic = machine.board.localAPICs[0]
        #expect(apic.isInService(0x55) && apic.pendingVector == nil)
        // The second one comes when the first has ended.
        _ = apic.endOfInterrupt()
        #expect(apic.pendingVector == 0x55)
        // Nothing is on its way any more.
        #expect(try #require(try machine.save(over: stream).cpus().first).interruptInjected == -1)
    }

    /// An interrupt by an instruction comes again by itself: RIP has not moved.
    @Test func anInterruptByAnInstructionIsLeftOut() throws {
        let stream = try stream(isSoft: true)
        let machine = try stream.machine()
        #expect(machine.processors[0][.rip] == 0xFFF0)
        #expect(machine.processors[0].system.pointee.segments[1].selector == 0xF000)
        let again = try #require(try machine.save(over: stream).cpus().first)
        #expect(try again.interruptInjected == -1 && again.unsigned("env.soft_interrupt") == 0)
    }

    /// KVM tells a guest whose MSRs are set that all awaited pages are there; only with news by interrupt, and when the last one was taken.
    @Test(arguments: [(9, 0, true), (1, 0, false), (8, 0, false), (9, 7, false)] as [(UInt64, UInt8, Bool)])
    func tasksThatWaitForPagesAreWoken(control: UInt64, token: UInt8, isTold: Bool) throws {
        var (stream, _) = try QEMUStreams.make(QEMUStreams.pc)
        let prepared = try stream.machine()
        for index in 0..<2 {
            prepared.activeProcessor = index
            try prepared.deviceWrite(Self.apic + 0xF0, byteCount: 4, value: 0x1FF)
        }
        stream = try prepared.save(over: stream)
        try stream.appendSubsection(
            "cpu/async_pf_msr", fields: [.integer("env.async_pf_en_msr", "uint64", 0x2040 | control)], to: "cpu", 1)
        try stream.appendSubsection(
            "cpu/async_pf_int_msr", fields: [.integer("env.async_pf_int_msr", "uint64", UInt64(0xF3))], to: "cpu", 1)
        var options = MachineOptions.wholeMachine
        // KVM's signature.
        options.model.leaves[0x4000_0000 << 32] = CPUIDLeaf(
            eax: 0x4000_0001, ebx: 0x4B4D_564B, ecx: 0x564B_4D56, edx: 0x4D)
        var page = [UInt8](repeating: 0, count: 4096)
        page[0x44] = token
        let source = MemoryPageSource(
            regions: [MemoryRegion(name: "pc.ram", start: 0, byteCount: 2 << 20)], pages: [0x2000: page])
        let machine = try Machine(stream, base: try BaseMemory(source: source), options: options)
        let expected: [UInt8] = isTold ? [0xFF, 0xFF, 0xFF, 0xFF] : [token, 0, 0, 0]
        #expect(try machine.readPhysical(0x2044, count: 4) == expected)
        #expect(machine.board.localAPICs[1].pendingVector == (isTold ? 0xF3 : nil))
        #expect(machine.board.localAPICs[0].pendingVector == nil)
    }
}
