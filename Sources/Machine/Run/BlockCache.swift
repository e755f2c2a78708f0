import X86

/// A lifted block, with its operations in unmanaged memory once the interpreter wants them.
package final class CachedBlock {
    package let block: Block
    @exclusivity(unchecked) private var fused: UnsafeMutablePointer<MicroOp>?
    @exclusivity(unchecked) private var origins: [UInt32] = []
    let instructionCount: UInt64
    let rip: UInt64
    /// Content identity of the page where the block begins.
    let firstPage: Int
    /// Content identity of the second page when the block's instruction crosses a page boundary, else -1.
    let secondPage: Int
    /// Offsets of the translations by TLB set, 0 for none; they mean something in generation `codeGeneration` of `NativeCode`.
    @exclusivity(unchecked) var codeOffsets = InlineArray<3, UInt32>(repeating: 0)
    @exclusivity(unchecked) var codeGeneration = 0
    /// The second page was not needed.
    static let noSecondPage = -1

    init(_ block: Block, firstPage: Int, secondPage: Int = CachedBlock.noSecondPage) {
        self.block = block
        self.firstPage = firstPage
        self.secondPage = secondPage
        instructionCount = UInt64(block.instructions.count)
        rip = block.rip
    }

    deinit { fused?.deallocate() }

    /// What the interpreter executes: `block.operations` with the fused forms of `Fusion`.
    var operations: UnsafeMutablePointer<MicroOp> { fused ?? fuse() }

    private func fuse() -> UnsafeMutablePointer<MicroOp> {
        let fusion = Fusion(block.operations, isRepetition: block.repetition != nil)
        let storage = UnsafeMutablePointer<MicroOp>.allocate(capacity: fusion.operations.count)
        for (index, operation) in fusion.operations.enumerated() { (storage + index).initialize(to: operation) }
        origins = fusion.origins
        fused = storage
        return storage
    }

    /// The index in `block.operations` of the one with index `index` in `operations`.
    func origin(of index: Int) -> Int { Int(origins[index]) }

    /// About how much memory the block takes, with its place in the cache and without what the engines make of it.
    var byteCount: Int {
        block.operations.capacity * MemoryLayout<MicroOp>.stride
            + block.instructions.capacity * MemoryLayout<InstructionRecord>.stride + 340
    }
}

/// Lifted code by content: what a page held when it was lifted, the place in it, the virtual address and the lift context.
///
/// Because the key names the content, nothing is flushed when another state of the family runs. One cache serves the machines of
/// one thread; it is not thread-safe. Its memory is bounded: when the blocks are too many all are dropped, and lifted again as they are
/// wanted.
package final class BlockCache {
    struct Key: Hashable {
        let content: Int
        let rip: UInt64
        /// Lift context and, in bit 63, "one instruction only".
        let context: UInt64
    }

    /// Bytes of blocks that are kept, about: some 17,000 blocks, with some 6 MiB of machine code.
    package static let usualLimit = 16 << 20
    /// Processors whose translation caches are kept.
    package static let usualTranslations = 8

    private var blocks: [Key: CachedBlock] = [:]
    /// Blocks that another version of a second page replaced: kept, because a jump cache may still name them.
    private var replaced: [CachedBlock] = []
    private var contentsWithCode: Set<Int> = []
    private let recent = RecentBlocks()
    @exclusivity(unchecked) private var nativeCode: NativeCode?
    @exclusivity(unchecked) private var isNativeKnown = false
    /// Changes when blocks were dropped; never 0.
    @exclusivity(unchecked) private(set) var generation = 1
    /// Runs of processors on this thread so far.
    @exclusivity(unchecked) private var uses: UInt64 = 0
    /// Bytes of the blocks held, about.
    package private(set) var byteCount = 0

    private let codeCapacity: Int
    private let limit: Int
    /// Memory for the processors' translation caches.
    let translations: TranslationPool

    /// - Parameters:
    ///   - codeCapacity: bytes of translated code at most.
    ///   - limit: bytes of lifted blocks at most, about.
    ///   - translations: how many processors keep their translation caches while others run.
    package init(
        codeCapacity: Int = NativeCode.usualCapacity, limit: Int = BlockCache.usualLimit,
        translations: Int = BlockCache.usualTranslations
    ) {
        self.codeCapacity = codeCapacity
        self.limit = limit
        self.translations = TranslationPool(limit: translations)
    }

    /// Translated blocks; made when they are first asked for. Nil on a host that allows no generated code.
    package var native: NativeCode? {
        if isNativeKnown { return nativeCode }
        isNativeKnown = true
        nativeCode = NativeCode(capacity: codeCapacity)
        return nativeCode
    }

    /// Number of blocks that were translated to machine code since its memory was last full.
    package var translatedCount: Int { nativeCode?.blocks.count ?? 0 }

    /// Bytes of machine code since its memory was last full.
    package var codeByteCount: Int { nativeCode?.byteCount ?? 0 }

    /// Number of blocks held.
    package var count: Int { blocks.count }

    /// Processors that hold memory for their translation caches.
    package var translationCount: Int { translations.count }

    func nextUse() -> UInt64 {
        uses &+= 1
        return uses
    }

    func find(_ key: Key) -> CachedBlock? {
        if let block = recent.find(key) { return block }
        guard let block = blocks[key] else { return nil }
        recent.note(block, key)
        return block
    }

    func insert(_ block: CachedBlock, _ key: Key) {
        byteCount += block.byteCount
        recent.note(block, key)
        if let old = blocks.updateValue(block, forKey: key) { replaced.append(old) }
        contentsWithCode.insert(key.content)
        if block.secondPage != CachedBlock.noSecondPage { contentsWithCode.insert(block.secondPage) }
    }

    /// Drops all blocks when they have become too many, and what was made of them. Call it only while no block is executed; jump caches
    /// notice by ``generation``.
    func makeRoom() {
        guard byteCount > limit else { return }
        byteCount = 0
        blocks = [:]
        replaced = []
        contentsWithCode = []
        recent.clear()
        generation += 1
        nativeCode?.flush()
    }

    /// True when code was lifted from the page content `content`.
    func hasCode(_ content: Int) -> Bool { contentsWithCode.contains(content) }
}
