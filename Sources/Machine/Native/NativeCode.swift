import X86

/// Blocks translated to the host's machine code, and the routines that they share.
///
/// Translations are bound to a block and a TLB set, not to a machine: everything that belongs to one is reached through pinned registers
/// (`NativeFrame`). Blocks jump to each other directly, but only after a look at the jump cache of the processor: a jump goes to the
/// target's code when the cache's entry for the target's address names that code, so what drops an entry (changed mappings,
/// changed code, changed modes) also cuts the jumps. Memory is bounded: when it is full everything is thrown away.
///
/// Not thread-safe: it belongs to a block cache.
package final class NativeCode {
    /// Bytes of code at most.
    package static let usualCapacity = 16 << 20
    /// Left free at the end before a block is translated; no block needs as much.
    package static let reserve = 1 << 20

    package let memory: CodeMemory
    /// Changes when all translations were thrown away; never 0.
    @exclusivity(unchecked) package private(set) var generation = 1
    /// Blocks of the translations in this generation; translated code knows their indices.
    @exclusivity(unchecked) private(set) var blocks: [CachedBlock] = []
    private let routines: NativeRoutines
    @exclusivity(unchecked) private var position: Int
    /// Where the next look at the memory for writing is due: it would be resident twice.
    @exclusivity(unchecked) private var nextSettling = NativeCode.settlingStep
    private static let settlingStep = 1 << 20
    private let translator: Translator

    /// - Returns: nil when the host allows no generated code.
    init?(capacity: Int = NativeCode.usualCapacity) {
        guard let memory = CodeMemory(capacity: capacity) else { return nil }
        self.memory = memory
        var assembler = CodeAssembler(memory.writable, capacity: capacity)
        routines = NativeRoutines(&assembler)
        guard !assembler.isFull else { return nil }
        position = assembler.position
        translator = Translator(routines, HostFeatures(memory, routines), assembler)
    }

    /// Bytes in use.
    var byteCount: Int { position }

    /// Offset of the translation of `block` for a TLB set; translates it when there is none.
    func offset(of block: CachedBlock, set: Int) -> UInt32 {
        if block.codeGeneration == generation {
            let known = block.codeOffsets[set]
            if known != 0 { return known }
        }
        if position > memory.capacity - Self.reserve { flush() }
        if let offset = translate(block, set: set) { return offset }
        // A block of more than the reserve: it has all of the memory now.
        flush()
        return translate(block, set: set) ?? 0
    }

    /// - Returns: nil when the memory does not suffice.
    private func translate(_ block: CachedBlock, set: Int) -> UInt32? {
        // Blocks begin at multiples of 16: the host's fetch unit.
        let start = (position + 15) & ~15
        var assembler = CodeAssembler(memory.writable, capacity: memory.capacity, position: start)
        translator.translate(block, index: blocks.count, set: set, &assembler)
        guard !assembler.isFull else { return nil }
        blocks.append(block)
        position = assembler.position
        if block.codeGeneration != generation {
            block.codeGeneration = generation
            block.codeOffsets = InlineArray(repeating: 0)
        }
        block.codeOffsets[set] = UInt32(truncatingIfNeeded: start)
        if position > nextSettling {
            nextSettling = position + Self.settlingStep
            memory.settleWritten()
        }
        return UInt32(truncatingIfNeeded: start)
    }

    /// Throws all translations away. Not while one is executed.
    func flush() {
        generation += 1
        blocks.removeAll(keepingCapacity: true)
        position = routines.end
        nextSettling = position + Self.settlingStep
        memory.settleWritten()
    }

    /// Makes the jump whose guard is at `place` go to the block at `target`.
    func link(_ place: Int, to target: UInt32) {
        var assembler = CodeAssembler(memory.writable, capacity: memory.capacity)
        assembler.bind(place + Translator.guardToDistance, to: Int(target))
        assembler.patch(place, target)
    }

    /// Runs translated code from `offset` on until it comes back; see `NativeStatus`.
    ///
    /// The pointers must be valid for the machine's active processor; the slot file has `Slot.count` words.
    func enter(_ machine: UnsafeMutableRawPointer, _ processor: Processor, at offset: UInt32, set: Int) -> UInt64 {
        typealias Enter =
            @convention(c) (
                UnsafeMutableRawPointer, UnsafeMutableRawPointer, UnsafeMutableRawPointer, UnsafeMutableRawPointer,
                UnsafeMutableRawPointer, UInt64
            ) -> UInt64
        let function = unsafeBitCast(memory.executable + routines.enter, to: Enter.self)
        return function(
            machine, UnsafeMutableRawPointer(processor.slots) + NativeFrame.slotBias, processor.system,
            processor.tlb.entries, memory.executable + Int(offset), TLB.key(0, set) ^ processor.system.pointee.modeKey)
    }
}
