import X86

/// A lifted block with its operations in unmanaged memory, as the interpreter wants them.
package final class CachedBlock {
    package let block: Block
    /// As `block.operations`, with the fused forms of `Fusion`; the indices are the same.
    let operations: UnsafeMutablePointer<MicroOp>
    let instructionCount: UInt64
    let rip: UInt64
    /// Content identity of the second page when the block's instruction crosses a page boundary, else -1.
    let secondPage: Int
    /// Offsets of the translations by TLB set, 0 for none; they mean something in generation `codeGeneration` of `NativeCode`.
    @exclusivity(unchecked) var codeOffsets = InlineArray<3, UInt32>(repeating: 0)
    @exclusivity(unchecked) var codeGeneration = 0
    /// The second page was not needed.
    static let noSecondPage = -1

    init(_ block: Block, secondPage: Int) {
        self.block = block
        self.secondPage = secondPage
        let count = block.operations.count
        let storage = UnsafeMutablePointer<MicroOp>.allocate(capacity: count)
        for index in 0..<count { (storage + index).initialize(to: block.operations[index]) }
        let buffer = UnsafeMutableBufferPointer(start: storage, count: count)
        Fusion.fuse(buffer)
        if block.repetition != nil { Fusion.markRepetition(buffer) }
        operations = storage
        instructionCount = UInt64(block.instructions.count)
        rip = block.rip
    }

    deinit { operations.deallocate() }
}

/// Lifted code by content: what a page held when it was lifted, the place in it, the virtual address and the lift context.
///
/// Because the key names the content, nothing is flushed when another state of the family runs. One cache serves the machines of
/// one thread; it is not thread-safe.
package final class BlockCache {
    struct Key: Hashable {
        let content: Int
        let rip: UInt64
        /// Lift context and, in bit 63, "one instruction only".
        let context: UInt64
    }

    private var blocks: [Key: CachedBlock] = [:]
    /// Blocks that another version of a second page replaced: kept, because a jump cache may still name them.
    private var replaced: [CachedBlock] = []
    private var contentsWithCode: Set<Int> = []
    private let recent = RecentBlocks()
    @exclusivity(unchecked) private var nativeCode: NativeCode?
    @exclusivity(unchecked) private var isNativeKnown = false

    private let codeCapacity: Int

    package init() { codeCapacity = NativeCode.capacity }

    /// - Parameter codeCapacity: bytes of translated code at most.
    package init(codeCapacity: Int) { self.codeCapacity = codeCapacity }

    /// Translated blocks; made when they are first asked for. Nil on a host that allows no generated code.
    package var native: NativeCode? {
        if isNativeKnown { return nativeCode }
        isNativeKnown = true
        nativeCode = NativeCode(capacity: codeCapacity)
        return nativeCode
    }

    /// Number of blocks that were translated to machine code since its memory was last full.
    package var translatedCount: Int { nativeCode?.blocks.count ?? 0 }

    /// Number of blocks held.
    package var count: Int { blocks.count }

    func find(_ key: Key) -> CachedBlock? {
        if let block = recent.find(key) { return block }
        guard let block = blocks[key] else { return nil }
        recent.note(block, key)
        return block
    }

    func insert(_ block: CachedBlock, _ key: Key) {
        recent.note(block, key)
        if let old = blocks.updateValue(block, forKey: key) { replaced.append(old) }
        contentsWithCode.insert(key.content)
        if block.secondPage != CachedBlock.noSecondPage { contentsWithCode.insert(block.secondPage) }
    }

    /// True when code was lifted from the page content `content`.
    func hasCode(_ content: Int) -> Bool { contentsWithCode.contains(content) }
}
