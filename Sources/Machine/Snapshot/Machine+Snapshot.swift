import PCDevices
import VMState
import X86

extension Machine {
    /// The machine of a snapshot, ready to run.
    ///
    /// - Parameters:
    ///   - stream: device sections and memory map.
    ///   - base: its memory.
    ///   - disks: contents of the block devices, in the order of their slots.
    package convenience init(
        _ stream: MigrationStream, base: BaseMemory, disks: [any BlockStorage] = [],
        options: MachineOptions = MachineOptions(), blocks: BlockCache = BlockCache()
    ) throws(MachineError) {
        let sections: [CPUSection]
        do throws(VMStateError) {
            sections = try stream.cpus()
        } catch {
            throw MachineError(.unsupportedState, "the snapshot's processor sections cannot be read", cause: "\(error)")
        }
        var states: [ProcessorState] = []
        for section in sections { states.append(try ProcessorState(section, in: stream)) }
        var options = options
        options.timeStampHertz = options.timeStampHertz ?? sections.first.flatMap(Self.timeStampRate)
        try self.init(base: base, processors: states, options: options, blocks: blocks)
        // Nanoseconds of QEMU's virtual clock.
        let now = (try? stream.device("timer")?.unsigned("cpu_clock_offset")) ?? 0
        schedule.now = now
        do throws(DeviceError) {
            board = try Board(stream, processorCount: states.count, now: now, seed: options.randomSeed)
        } catch {
            throw MachineError(.unsupportedState, error.message, cause: error.cause)
        }
        for (index, state) in states.enumerated() {
            processors[index].system.pointee.timeBase = now
            processors[index].setTimeStamp(state.timeStampCounter, self.options)
            adopt(sections[index], in: stream, processor: index)
        }
        paravirtual.isOffered = options.model.isKVM ?? (stream.device("kvmclock") != nil)
        let clock = (try? stream.device("kvmclock")?.unsigned("clock")) ?? 0
        paravirtual.clockBase = clock &- now
        attach(disks)
        if self.options.deliversInterrupts {
            wakeParavirtualGuests(sections)
            try injectInterrupts(sections)
        }
        activeProcessor = processors.firstIndex { !$0.isHalted } ?? 0
    }

    /// The rate of the time-stamp counter that KVM saved; TCG saves none.
    private static func timeStampRate(_ section: CPUSection) -> UInt64? {
        guard section.hasSubsection("cpu/tsc_khz"),
            let kilohertz = try? section.section.signed("cpu/tsc_khz.env.tsc_khz"),
            kilohertz > 0, kilohertz < 100_000_000
        else { return nil }
        return UInt64(kilohertz) * 1000
    }

    /// What belongs to the local APIC and is kept with the processor.
    private func adopt(_ section: CPUSection, in stream: MigrationStream, processor index: Int) {
        activeProcessor = index
        // The translator leaves the field as it was loaded, whatever became of the processor.
        let runState = stream.device("kvmclock") != nil || section.efer & EFER.longModeActive == 0 ? section.mpState : 0
        board.localAPICs[index].isWaitingForStartUp =
            [RunState.uninitialized, RunState.initialized, RunState.startUpReceived].contains(runState)
            || board.localAPICs[index].isWaitingForStartUp && section.efer & EFER.longModeActive == 0
        let requests = (try? stream.device("cpu_common", section.index)?.unsigned("interrupt_request")) ?? 0
        let id = board.localAPICs[index].initialID
        if requests & QEMURequest.initialize != 0 {
            board.localAPICs[index].accept(InterruptMessage(vector: 0, delivery: .initialize, destination: id))
        }
        // TCG keeps the vector with the APIC, KVM with the processor.
        var vector = requests & QEMURequest.startUp != 0 ? startUpVector(section, stream) : nil
        if runState == RunState.startUpReceived { vector = UInt8(truncatingIfNeeded: section.sipiVector) }
        if let vector {
            board.localAPICs[index].accept(InterruptMessage(vector: vector, delivery: .startUp, destination: id))
        }
        if section.nmiPending != 0 || section.nmiInjected != 0 { board.localAPICs[index].isNMIPending = true }
        if section.hasSubsection("cpu/msr_tscdeadline"),
            let deadline = try? section.unsigned("cpu/msr_tscdeadline.env.tsc_deadline"), deadline != 0
        {
            board.localAPICs[index].setTSCDeadline(deadline, at: time(ofTimeStamp: deadline))
        }
    }

    /// Delivers the interrupts that KVM had begun to inject. Their controllers have them in service already, and the same vector may be
    /// requested once more.
    ///
    /// An interrupt by an instruction is not among them: RIP still points to the instruction.
    private func injectInterrupts(_ sections: [CPUSection]) throws(MachineError) {
        for (index, section) in sections.enumerated() where section.interruptInjected >= 0 {
            guard (try? section.unsigned("env.soft_interrupt")) ?? 0 == 0 else { continue }
            activeProcessor = index
            processors[index].isHalted = false
            if let exit = raise(.interrupt(UInt8(truncatingIfNeeded: section.interruptInjected))) {
                throw MachineError(
                    .unsupportedState, "the interrupt that was on its way to processor \(index) cannot be delivered",
                    cause: "\(exit)")
            }
        }
    }

    private func startUpVector(_ section: CPUSection, _ stream: MigrationStream) -> UInt8? {
        (try? stream.device("apic", section.index)?.unsigned("\(LocalAPIC.startUpSubsection).sipi_vector")).flatMap {
            UInt8(truncatingIfNeeded: $0)
        }
    }

    /// Values of `env.mp_state` (KVM_MP_STATE of Linux' `kvm.h`).
    private enum RunState {
        static let runnable: UInt32 = 0
        static let uninitialized: UInt32 = 1
        static let initialized: UInt32 = 2
        static let halted: UInt32 = 3
        static let startUpReceived: UInt32 = 4
    }

    /// Bits of `interrupt_request` in section `cpu_common` (QEMU's `cpu-all.h` and `target/i386/cpu.h`).
    private enum QEMURequest {
        /// The processor looks at its APIC before it goes on.
        static let poll: UInt64 = 0x10
        static let initialize: UInt64 = 0x400
        static let startUp: UInt64 = 0x800
    }

    /// What a processor waits for in the words of KVM.
    private func runState(ofProcessor index: Int) -> UInt32 {
        let apic = board.localAPICs[index]
        if apic.isWaitingForStartUp {
            return apic.startUpVector == nil ? RunState.initialized : RunState.startUpReceived
        }
        return processors[index].isHalted ? RunState.halted : RunState.runnable
    }

    /// What QEMU's translator has to look at before the processor goes on.
    private func requests(ofProcessor index: Int) -> UInt64 {
        let apic = board.localAPICs[index]
        var requests: UInt64 = apic.hasEvent ? QEMURequest.poll : 0
        if apic.isInitializePending { requests |= QEMURequest.initialize }
        if apic.startUpVector != nil { requests |= QEMURequest.startUp }
        return requests
    }

    /// Puts a PCI bus on the board and gives its block devices their disks, in the order of their slots: for a machine that no stream
    /// describes. Call it before the machine runs.
    package func install(_ bus: PCIBus, disks: [any BlockStorage] = []) {
        board.pci = bus
        attach(disks)
    }

    private func attach(_ disks: [any BlockStorage]) {
        for (number, storage) in disks.enumerated() { board.pci?.attach(Disk(storage), number: number) }
        guard options.deliversInterrupts else { return }
        var memory = DeviceMemory(self)
        board.pci?.resume(memory: &memory)
        board.restoreLines()
    }

    /// A guest that saw its processors as preempted would leave flushes of translations to the host; and its tasks may wait for pages that
    /// KVM promised to bring.
    private func wakeParavirtualGuests(_ sections: [CPUSection]) {
        for (index, section) in sections.enumerated() {
            if let value = try? section.unsigned("cpu/steal_time_msr.env.steal_time_msr"), value & 1 != 0 {
                clearPreemption(at: value & ~63)
            }
            if let control = try? section.unsigned("cpu/async_pf_msr.env.async_pf_en_msr"),
                let vector = try? section.unsigned("cpu/async_pf_int_msr.env.async_pf_int_msr")
            {
                wakeTasks(ofProcessor: index, control: control, vector: UInt8(truncatingIfNeeded: vector))
            }
        }
    }

    /// The state of a processor as QEMU keeps it: with the time-stamp counter of now.
    func state(ofProcessor index: Int) -> ProcessorState {
        let processor = processors[index]
        var state = processor.save()
        processor.waitUntil(schedule.now, options)
        state.timeStampCounter = processor.timeStamp(options)
        return state
    }

    /// A copy of the snapshot's stream with the machine as it is now, between two slices. The pages are the caller's: ``forEachWrittenPage(_:)``.
    package func save(over stream: MigrationStream) throws -> MigrationStream {
        var stream = stream
        let isKVM = stream.device("kvmclock") != nil
        var first: UInt64 = 0
        for var section in try stream.cpus() {
            let index = Int(section.index)
            guard index < processors.count else { continue }
            let state = state(ofProcessor: index)
            try section.store(state)
            if index == 0 { first = state.timeStampCounter }
            section.tscOffset = state.timeStampCounter &- first
            section.interruptInjected = -1
            if (try? section.unsigned("env.soft_interrupt")) ?? 0 != 0 { try section.set("env.soft_interrupt", to: 0) }
            if isKVM {
                section.mpState = runState(ofProcessor: index)
                section.sipiVector = UInt32(board.localAPICs[index].startUpVector ?? 0)
            } else {
                // The translator never changes the field, so nothing may stand there that will not stay true.
                section.mpState = processors[index].isHalted ? RunState.halted : RunState.runnable
            }
            if section.hasSubsection("cpu/msr_tscdeadline") {
                try section.set(
                    "cpu/msr_tscdeadline.env.tsc_deadline",
                    to: board.localAPICs[index].tscDeadline(now: schedule.now))
            }
            if isKVM { section.xstateBV |= processors[index].componentsInUse & section.xcr0 }
            try stream.replace(section)
            try stream.addSubsections(
                state, deadline: board.localAPICs[index].tscDeadline(now: schedule.now), ofProcessor: section.index)
            if var common = stream.device("cpu_common", UInt32(index)) {
                // A processor that waits for a start-up message sleeps, for the translator.
                let isAsleep = processors[index].isHalted || board.localAPICs[index].isWaitingForStartUp
                try common.set("halted", to: isAsleep ? 1 : 0)
                try common.set("interrupt_request", to: isKVM ? 0 : requests(ofProcessor: index))
                try stream.replace(common)
            }
        }
        if var timer = stream.device("timer") {
            try timer.set("cpu_ticks_offset", toSigned: Int64(bitPattern: first))
            try timer.set("cpu_clock_offset", toSigned: Int64(bitPattern: schedule.now))
            try stream.replace(timer)
        }
        if var clock = stream.device("kvmclock") {
            try clock.set("clock", to: paravirtual.clockBase &+ schedule.now)
            try stream.replace(clock)
        }
        try board.save(to: &stream, now: schedule.now)
        return stream
    }

    /// Pages of RAM that differ from the snapshot's, in order of their physical addresses.
    package func forEachWrittenPage(
        _ body: (_ physicalAddress: UInt64, _ bytes: UnsafeRawBufferPointer) throws -> Void
    ) throws {
        for index in memory.writtenPages() {
            let page = try memory.readable(index)
            try body(base.physicalAddress(ofIndex: index), UnsafeRawBufferPointer(start: page, count: 4096))
        }
    }

    /// Ranges of a disk that the guest has written since the snapshot, in order; without contents for zeros.
    package func forEachWrittenRange(
        ofDisk number: Int, _ body: (_ offset: UInt64, _ count: UInt64, _ contents: [UInt8]?) throws -> Void
    ) rethrows {
        try board.pci?.disk(number)?.forEachWrittenRange(body)
    }
}
