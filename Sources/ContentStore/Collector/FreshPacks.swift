/// Packs that a collection writes: frames copied as they are, and objects in new frames.
final class FreshPacks {
    private let store: ContentStore
    private let lease: String
    private let packSize: Int
    private let encoder: FrameEncoder
    private var writer: PackWriter?
    /// The packs that are whole. Their indexes are in files: there may be many millions of objects.
    private var own = OwnObjects()
    private var number = 0
    /// Objects that wait for their frame, by what they are.
    private var builders: [FrameContent: FrameBuilder] = [:]
    /// Frames that wait for being written, in order; all that are to be encoded are, at once on all cores.
    private var waiting: [Waiting] = []
    private var slots = ByteBuffer(count: 0)
    /// Bytes of frames made so far, the waiting ones not counted.
    private(set) var frameBytes: UInt64 = 0

    private static let batch = 32

    private enum Waiting {
        case objects(FrameBuilder)
        case frame(StoredFrame)
    }

    /// - Parameter compression: nil for what an ingest uses.
    init(_ store: ContentStore, lease: String, packSize: Int, compression: Compression?) {
        self.store = store
        self.lease = lease
        self.packSize = packSize
        let options = compression.map { IngestOptions(compression: $0) } ?? IngestOptions()
        encoder = FrameEncoder(compression: options.compression, memoryCompression: options.memoryCompression)
    }

    deinit {
        for pack in own.order {
            if let path = pack.path, path.hasPrefix(store.layout.temporary) { try? store.fileSystem.unlink(path) }
        }
    }

    /// Adds a frame as it is. The caller has checked everything in it.
    func append(_ frame: StoredFrame) throws(StoreError) {
        // What came before it stays before it.
        if let builder = builders.removeValue(forKey: frame.header.content), !builder.isEmpty {
            waiting.append(.objects(builder))
        }
        try wait(.frame(frame))
    }

    /// Adds an object. The caller has checked its digest.
    func append(_ bytes: UnsafeRawBufferPointer, _ record: ObjectRecord, _ content: FrameContent) throws(StoreError) {
        let capacity = content == .chunks ? encoder.chunkCapacity : FrameHeader.usualPlainLength
        var builder = builders.removeValue(forKey: content) ?? FrameBuilder(content, capacity: capacity)
        if !builder.isEmpty, !builder.fits(bytes.count) {
            try wait(.objects(builder))
            builder = FrameBuilder(content, capacity: capacity)
        }
        builder.append(bytes, record)
        if builder.isFull {
            try wait(.objects(builder))
        } else {
            builders[content] = builder
        }
    }

    private func wait(_ frame: Waiting) throws(StoreError) {
        waiting.append(frame)
        if waiting.count >= FreshPacks.batch { try writeWaiting() }
    }

    /// Makes frames of all that waits.
    private func sealFrames() throws(StoreError) {
        for content in FrameContent.allCases {
            if let builder = builders.removeValue(forKey: content), !builder.isEmpty {
                waiting.append(.objects(builder))
            }
        }
        try writeWaiting()
    }

    private func writeWaiting() throws(StoreError) {
        guard !waiting.isEmpty else { return }
        let frames = waiting
        waiting.removeAll()
        let bounds = frames.map { frame in
            guard case .objects(let builder) = frame else { return 0 }
            return FrameEncoder.bound(plain: builder.plain.count, records: builder.records.count)
        }
        var starts: [Int] = []
        var room = 0
        for bound in bounds {
            starts.append(room)
            room += bound
        }
        if slots.bytes.count < room { slots = ByteBuffer(count: room) }
        let target = slots.bytes
        let encoder = encoder
        // Unsafe: iteration i writes to its own part of the slots and to element i only, and nothing runs any more when this returns.
        let sizes = [[Int]](unsafeUninitializedCapacity: frames.count) { sizes, count in
            Parallel.perform(frames.count) { index in
                var own: [Int] = []
                if case .objects(let builder) = frames[index] {
                    own = builder.plain.withUnsafeBytes {
                        encoder.encodeAll(
                            $0, builder.records, builder.content, into: target.part(starts[index], bounds[index]))
                    }
                }
                sizes.baseAddress.unsafelyUnwrapped.advanced(by: index).initialize(to: own)
            }
            count = frames.count
        }
        for (index, frame) in frames.enumerated() {
            switch frame {
            case .frame(let stored):
                try stored.bytes.withBytes { bytes throws(StoreError) in
                    try append(bytes.part(0, stored.header.frameSize), stored.header.records)
                }
            case .objects(let builder):
                // One frame for all objects, or one for each.
                let isOne = sizes[index].count == 1
                var position = starts[index]
                for (number, size) in sizes[index].enumerated() {
                    let bytes = UnsafeRawBufferPointer(target.part(position, size))
                    try append(bytes, isOne ? builder.records : [builder.records[number]])
                    position += size
                }
            }
        }
    }

    private func append(_ frame: UnsafeRawBufferPointer, _ records: [ObjectRecord]) throws(StoreError) {
        if let writer, !writer.isEmpty, writer.size + frame.count + PackFormat.tableEntrySize > packSize {
            try sealPack()
        }
        let writer = try currentWriter()
        writer.append(frame, records)
        frameBytes += UInt64(frame.count)
        writer.handOver()
        try writer.writeHandedOver()
    }

    private func currentWriter() throws(StoreError) -> PackWriter {
        if let writer { return writer }
        let new = try PackWriter(store, temporaryName: "\(lease).\(number).pack.part")
        number += 1
        writer = new
        return new
    }

    private func sealPack() throws(StoreError) {
        guard let writer, !writer.isEmpty else { return }
        let (pack, index) = try writer.seal()
        self.writer = nil
        try pack.stage(store.layout, lease: lease)
        own.add(pack, index)
        try own.mergeIndexes(store, temporaryName: "\(lease).\(number).index.part")
    }

    /// Makes everything durable and visible, in the order of an ingest; returns the packs.
    func publish() throws(StoreError) -> [IndexedPack] {
        try sealFrames()
        try sealPack()
        guard !own.order.isEmpty else { return [] }
        for pack in own.order { try pack.publish(store.layout, store.fileSystem) }
        try FileDescriptor.synchronizeDirectory(store.layout.packs, in: store.fileSystem)
        try store.keeper.publishAll(own.indexes, temporaryName: "\(lease).index")
        try store.keeper.reload()
        let packs = own.order.map(\.pack)
        own = OwnObjects()
        return packs
    }
}
