import Synchronization

/// Keeps decoded chunks of a disk that does not change, and reads ahead of those who go forward.
///
/// For disks whose small reads are dear: a guest that boots reads a few KiB at a time from chunks of 64 KiB, which have to be decoded whole.
/// A chunk is kept when a reader that goes forward comes to it, or when a part of it is asked for the second time; single reads and
/// reads of whole chunks pass by, unless the chunk is there.
package final class CachedSource: BlockSource {
    /// Reads so far, by what they met. See ``statistics``.
    package struct Statistics: Sendable, Hashable {
        /// Requests whose bytes were all decoded.
        package var ready = 0
        /// Requests that waited for a chunk that another one, or the reading ahead, was at.
        package var waited = 0
        /// Requests that had to decode themselves.
        package var missed = 0
        /// Chunks that were read ahead, and those of them that somebody wanted.
        package var chunksAhead = 0
        package var chunksAheadUsed = 0

        package init() {}
    }

    fileprivate struct State {
        var table: ChunkTable
        var streams = StreamDetector()
        var misses = MissMemory()
        var statistics = Statistics()
        /// Reads that are at work.
        var activeReads = 0
    }

    /// The store's chunk.
    private static let chunkSize: UInt64 = 64 << 10
    /// With more reads than these at a time the readers themselves keep all threads at work.
    private static let fewReads = 2

    package let base: any BlockSource
    private let state: Monitor<State>
    private let ahead: WorkerPool?
    /// Of chunks that were forgotten, for the next.
    private let pool = MemoryPool(limit: 4 << 20)
    private let capacity: Int

    /// - Parameters:
    ///   - base: The disk. Its bytes do not change.
    ///   - capacity: Most bytes to keep.
    ///   - threads: Most threads that read ahead; 0 for none.
    package init(_ base: any BlockSource, capacity: Int = 32 << 20, threads: Int = 2) {
        self.base = base
        self.capacity = max(capacity, Int(Self.chunkSize))
        state = Monitor(State(table: ChunkTable(limit: self.capacity / Int(Self.chunkSize))))
        ahead = threads > 0 ? WorkerPool(threads: threads) : nil
    }

    deinit { ahead?.stopSoon() }

    package var size: UInt64 { base.size }

    package var statistics: Statistics { state.withLock { $0.statistics } }

    package func extents(from offset: UInt64, length: UInt64) throws -> [BlockExtent] {
        try base.extents(from: offset, length: length)
    }

    // MARK: Reading

    package func readIfReady(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        guard !buffer.isEmpty else { return true }
        let end = offset + UInt64(buffer.count)
        let chunks = offset / Self.chunkSize...(end - 1) / Self.chunkSize
        var found: [ChunkTable.Content] = []
        let next = state.withLock { state -> Range<UInt64>? in
            // All or nothing, so that a request counts once.
            guard chunks.allSatisfy(state.table.contains) else { return nil }
            for chunk in chunks {
                guard let (content, isAhead) = state.table.use(chunk) else { return nil }
                if isAhead { state.statistics.chunksAheadUsed += 1 }
                if case .loading = content { return nil }
                found.append(content)
            }
            state.statistics.ready += 1
            return state.streams.note(offset: offset, length: end - offset, diskSize: size).ahead
        }
        guard let next else { return false }
        for (chunk, content) in zip(chunks, found) { copy(content, of: chunk, offset, buffer) }
        readAhead(next)
        return true
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        guard !buffer.isEmpty else { return }
        let end = offset + UInt64(buffer.count)
        let (isStream, next) = state.withLock { state -> (Bool, Range<UInt64>) in
            state.activeReads += 1
            let (isStream, ahead) = state.streams.note(offset: offset, length: end - offset, diskSize: size)
            return (isStream, state.activeReads <= Self.fewReads ? ahead : 0..<0)
        }
        readAhead(next)
        var outcome = Outcome.ready
        defer { state.withLock { $0.finish(outcome) } }
        var position = offset
        while position < end {
            let chunk = position / Self.chunkSize
            let border = min(end, (chunk + 1) * Self.chunkSize)
            switch step(chunk, isKept: isWhole(chunk, offset, end) ? false : isStream ? true : nil) {
            case .found(let content, let hasWaited):
                if hasWaited { outcome = max(outcome, .waited) }
                copy(content, of: chunk, offset, buffer)
                position = border
            case .load:
                outcome = .missed
                copy(try load(chunk), of: chunk, offset, buffer)
                position = border
            case .pass:
                // As far as there is nothing in memory, in one read.
                outcome = .missed
                var last = border
                while last < end, isWhole(last / Self.chunkSize, offset, end), !contains(last / Self.chunkSize) {
                    last = min(end, last + Self.chunkSize)
                }
                try base.read(
                    at: position,
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[Int(position - offset)..<Int(last - offset)]))
                position = last
            }
        }
    }

    package func prepare(from offset: UInt64, length: UInt64) throws {
        guard length > 0 else { return }
        // Half of the room at most: more would push itself out.
        let end = offset + min(length, UInt64(max(capacity / 2, Int(Self.chunkSize))))
        for chunk in offset / Self.chunkSize...(end - 1) / Self.chunkSize {
            if case .load = step(chunk, isKept: true) { _ = try load(chunk) }
        }
    }

    // MARK: Chunks

    fileprivate enum Outcome: Int, Comparable {
        case ready, waited, missed

        static func < (one: Outcome, other: Outcome) -> Bool { one.rawValue < other.rawValue }
    }

    private enum Step {
        case found(ChunkTable.Content, hasWaited: Bool)
        /// The caller is to load it; others wait for that.
        case load
        /// The caller is to read past the cache.
        case pass
    }

    /// Whether a read takes all of a chunk.
    private func isWhole(_ chunk: UInt64, _ start: UInt64, _ end: UInt64) -> Bool {
        chunk * Self.chunkSize >= start && min(size, (chunk + 1) * Self.chunkSize) <= end
    }

    private func contains(_ chunk: UInt64) -> Bool { state.withLock { $0.table.contains(chunk) } }

    /// What to do about a chunk.
    ///
    /// - Parameter isKept: Whether it is to be decoded and kept if it is not there; nil for when it is asked for the second time.
    private func step(_ chunk: UInt64, isKept: Bool?) -> Step {
        var hasWaited = false
        return state.wait { state in
            guard let (content, wasAhead) = state.table.use(chunk) else {
                guard isKept ?? state.misses.isSecond(chunk) else { return .pass }
                state.table.begin(chunk, isAhead: false)
                return .load
            }
            if wasAhead { state.statistics.chunksAheadUsed += 1 }
            if case .loading = content {
                hasWaited = true
                return nil
            }
            return .found(content, hasWaited: hasWaited)
        }
    }

    /// Reads a chunk that this thread began.
    private func load(_ chunk: UInt64) throws -> ChunkTable.Content {
        let start = chunk * Self.chunkSize
        let length = min(size - start, Self.chunkSize)
        var content: ChunkTable.Content?
        defer {
            state.withLock { $0.table.finish(chunk, content) }
            state.broadcast()
        }
        if try base.extents(from: start, length: length).allSatisfy(\.isZero) {
            content = .zero
            return .zero
        }
        let memory = pool.memory(count: Int(length))
        try base.read(at: start, into: UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<Int(length)]))
        content = .bytes(memory)
        return .bytes(memory)
    }

    /// Copies the part of a chunk that a read wants.
    private func copy(
        _ content: ChunkTable.Content, of chunk: UInt64, _ offset: UInt64, _ buffer: UnsafeMutableRawBufferPointer
    ) {
        let start = max(offset, chunk * Self.chunkSize)
        let end = min(offset + UInt64(buffer.count), (chunk + 1) * Self.chunkSize)
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[Int(start - offset)..<Int(end - offset)])
        guard case .bytes(let memory) = content else { return part.clear() }
        let first = Int(start - chunk * Self.chunkSize)
        part.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory.bytes[first..<first + part.count]))
    }

    // MARK: Reading ahead

    private func readAhead(_ range: Range<UInt64>) {
        guard let ahead, !range.isEmpty else { return }
        for chunk in range.lowerBound / Self.chunkSize...(range.upperBound - 1) / Self.chunkSize {
            ahead.submit { [weak self] in self?.readAhead(chunk) }
        }
    }

    private func readAhead(_ chunk: UInt64) {
        let isMine = state.withLock { state in
            guard !state.table.contains(chunk), !state.streams.hasPassed((chunk + 1) * Self.chunkSize) else {
                return false
            }
            state.table.begin(chunk, isAhead: true)
            state.statistics.chunksAhead += 1
            return true
        }
        // A failure is for who asks for the chunk: he will meet it himself.
        if isMine { _ = try? load(chunk) }
    }
}

extension CachedSource.State {
    fileprivate mutating func finish(_ outcome: CachedSource.Outcome) {
        activeReads -= 1
        switch outcome {
        case .ready: statistics.ready += 1
        case .waited: statistics.waited += 1
        case .missed: statistics.missed += 1
        }
    }
}
