/// Receives the RAM pages of a stream while it is read.
///
/// A page may come more than once (live migration): the last one counts. Pages that never come are zero. Errors that a
/// method throws end the reading and arrive as `VMStateError` with code `pages` and the error in `underlying`.
package protocol RAMPageSink: ~Copyable {
    /// Called once, before the first page, with all blocks.
    mutating func begin(blocks: [RAMBlock]) throws

    /// A page with contents. `block` counts in the list of `begin`, `page` in units of 4096 bytes; `bytes` has 4096
    /// bytes and is valid only during the call.
    mutating func data(block: Int, page: UInt64, bytes: RawSpan) throws

    /// A page of zeros.
    mutating func zero(block: Int, page: UInt64) throws

    /// Puts the page as it was delivered last into `buffer` (4096 bytes).
    ///
    /// Only streams with the capability `xbzrle` need it. The default refuses.
    mutating func current(block: Int, page: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws
}

extension RAMPageSink where Self: ~Copyable {
    package mutating func begin(blocks: [RAMBlock]) throws {}

    package mutating func current(block: Int, page: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        throw VMStateError(
            .unsupported,
            "the stream has pages as differences (XBZRLE); migrate again with the capability xbzrle switched off")
    }
}

/// A sink that ignores all pages, to look at devices only.
package struct DiscardingPageSink: RAMPageSink {
    /// Makes a sink.
    package init() {}
    package mutating func data(block: Int, page: UInt64, bytes: RawSpan) {}
    package mutating func zero(block: Int, page: UInt64) {}
}

/// What a provider says about a page.
package enum RAMPageContent: Sendable, Hashable {
    /// All bytes are zero; the buffer was not touched.
    case zero
    /// The buffer was filled.
    case data
}

/// Gives the RAM pages when a stream is written.
package protocol RAMPageProvider: ~Copyable {
    /// Fills `buffer` (4096 bytes) with a page, or says that it is zero. Pages are asked for block by block, upwards.
    mutating func page(
        block: RAMBlock, page: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws -> RAMPageContent
}

/// All pages of a stream in memory, by block: for tests and small guests.
package struct RAMPageTable: RAMPageSink, RAMPageProvider {
    /// The pages that are not zero, by name of the block and number of the page.
    package private(set) var pages: [String: [UInt64: [UInt8]]] = [:]
    private var blocks: [RAMBlock] = []

    /// An empty table.
    package init() {}

    package mutating func begin(blocks: [RAMBlock]) { self.blocks = blocks }

    package mutating func data(block: Int, page: UInt64, bytes: RawSpan) {
        pages[blocks[block].idstr, default: [:]][page] = bytes.withUnsafeBytes { Array($0) }
    }

    package mutating func zero(block: Int, page: UInt64) {
        pages[blocks[block].idstr]?.removeValue(forKey: page)
    }

    package mutating func current(block: Int, page: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
        if self.page(block: blocks[block], page: page, into: buffer) == .zero {
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    package func page(
        block: RAMBlock, page: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) -> RAMPageContent {
        guard let bytes = pages[block.idstr]?[page] else { return .zero }
        buffer.copyBytes(from: bytes)
        return .data
    }

    /// The pages whose bytes are not all zero (a stream may send zero pages as data).
    package var nonZero: [String: [UInt64: [UInt8]]] {
        pages.mapValues { $0.filter { page in page.value.contains { $0 != 0 } } }.filter { !$0.value.isEmpty }
    }

    /// Puts a page into the table.
    package mutating func set(_ block: String, page: UInt64, to bytes: [UInt8]) {
        pages[block, default: [:]][page] = bytes
    }
}
