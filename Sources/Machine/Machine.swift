import X86

/// Choices that belong to a run, not to the snapshot.
package struct MachineOptions: Sendable {
    /// Rate of the time-stamp counters in virtual time; nil for what the snapshot says (`tsc_khz`), else 1 GHz.
    package var timeStampHertz: UInt64?
    /// Nanoseconds of virtual time that pass per retired instruction, at least 1.
    package var nanosecondsPerInstruction: UInt64 = 1
    /// Interrupts reach the processors, HLT waits for them, and addresses without a device answer as a bus does. Without, the machine is
    /// for stretches of code of one processor: everything of that kind stops the run.
    package var deliversInterrupts = false
    /// Hypercalls for Stemma's and S2E's engines end `run`; without, they do what hardware does with their encodings.
    package var stopsAtHypercalls = true
    /// Virtual nanoseconds that a processor runs before the next one does.
    package var quantum = Schedule.usualQuantum
    /// Start of the random number generator behind RDRAND and RDSEED.
    package var randomSeed: UInt64 = 0x5374_656D_6D61
    package var model: ProcessorModel = .standard
    /// Translate blocks to the host's machine code. Without it, and on a host that allows no generated code, they are interpreted;
    /// the run is the same, bit for bit.
    package var usesMachineCode = true
    /// Faults save RFLAGS with RF set, as hardware does. QEMU 7.2 does not: clear it to compare with that.
    package var setsResumeFlag = true

    package init() {}

    /// For a machine that lives: with interrupts.
    package static var wholeMachine: MachineOptions {
        var options = MachineOptions()
        options.deliversInterrupts = true
        return options
    }
}

/// One PC: processors, memory and devices of one execution state. Knows nothing of symbols.
///
/// A machine is used by one thread at a time, and none of its methods calls back: exclusivity needs no dynamic check. `fork` gives a second, independent one; they share what neither has written since.
package final class Machine {
    package let options: MachineOptions
    package let base: BaseMemory
    package let blocks: BlockCache
    package let processors: [Processor]
    /// Index of the processor that `run` executes.
    @exclusivity(unchecked) package var activeProcessor = 0
    @exclusivity(unchecked) package internal(set) var memory: GuestMemory
    /// Devices, and the wires between them.
    @exclusivity(unchecked) package internal(set) var board: Board
    /// Whose turn it is, and when.
    package internal(set) var schedule = Schedule()
    /// What KVM would do for the guest.
    package var paravirtual = ParavirtualState()
    /// Reads of devices so far, by port or address.
    @exclusivity(unchecked) package internal(set) var deviceAccessCount: UInt64 = 0
    /// See `statistics`.
    @exclusivity(unchecked) var counts = MachineStatistics()
    /// No other instruction is in the block, so a debug trap can follow it; and whenever no block runs.
    @exclusivity(unchecked) var isAlone = true
    /// Why Swift code that a translated block called could not do its work, and the block.
    @exclusivity(unchecked) var nativeFailure: AccessFailure?
    @exclusivity(unchecked) var nativeBlock: CachedBlock?

    /// A machine whose memory is `base`.
    ///
    /// - Parameters:
    ///   - processors: their states, at least one; the first one is active.
    ///   - blocks: the block cache of this thread, shared by all machines that run on it.
    package init(
        base: BaseMemory, processors states: [ProcessorState], options: MachineOptions = MachineOptions(),
        blocks: BlockCache = BlockCache()
    ) throws(MachineError) {
        guard !states.isEmpty else {
            throw MachineError(.unsupportedState, "the snapshot has no processor section; take the snapshot again")
        }
        self.options = options
        self.base = base
        self.blocks = blocks
        memory = GuestMemory(base: base)
        board = Board(processorCount: states.count)
        var processors: [Processor] = []
        for (index, state) in states.enumerated() {
            let processor = Processor(blocks: blocks)
            try processor.load(state)
            processor.system.pointee.randomState = options.randomSeed &+ UInt64(index)
            processors.append(processor)
        }
        self.processors = processors
        blocks.translations.reserve(2 * processors.count)
    }

    private init(copying parent: Machine, blocks: BlockCache) {
        options = parent.options
        base = parent.base
        self.blocks = blocks
        processors = parent.processors.map { $0.fork(blocks: blocks) }
        activeProcessor = parent.activeProcessor
        memory = parent.memory.fork()
        board = parent.board
        schedule = parent.schedule
        paravirtual = parent.paravirtual
    }

    /// An independent copy of the state. O(1) in memory; pages are copied when either side writes them.
    ///
    /// - Parameter blocks: the block cache for the copy, when it will run on another thread.
    package func fork(blocks: BlockCache? = nil) -> Machine {
        for processor in processors { processor.tlb.flushWrites() }
        return Machine(copying: self, blocks: blocks ?? self.blocks)
    }

    /// The processor that `run` executes.
    package var processor: Processor { processors[activeProcessor] }

    /// Slot file of the active processor: `Slot.count` words.
    package var slots: UnsafeMutablePointer<UInt64> { processor.slots }

    /// Instructions that the active processor has retired.
    package var retiredInstructions: UInt64 {
        get { processor.system.pointee.retired }
        set { processor.system.pointee.retired = newValue }
    }

    /// The active processor's time-stamp counter.
    package var timeStamp: UInt64 { processor.timeStamp(options) }

    /// The active processor's virtual time in nanoseconds.
    package var virtualNanoseconds: UInt64 { processor.time(options) }

    /// Virtual time of the whole machine in nanoseconds: where QEMU's virtual clock would stand.
    package var virtualTime: UInt64 { schedule.now }

    /// When the next event of any device is due; nil for never.
    package var nextDeadline: UInt64? { board.deadline }

    /// Instructions that all processors have retired.
    package var retiredTotal: UInt64 { processors.reduce(0) { $0 &+ $1.system.pointee.retired } }

    /// Gives translation caches back, for states that wait; the next run builds them again.
    package func releaseCaches() {
        for processor in processors { processor.tlb.release() }
    }
}
