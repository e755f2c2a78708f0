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
    /// Frames that wait for being encoded, all at once on all cores.
    private var waiting: [FrameBuilder] = []
    private var slots = ByteBuffer(count: 0)
    /// Bytes of frames made so far, the waiting ones not counted.
    private(set) var frameBytes: UInt64 = 0

    private static let batch = 32

    init(_ store: ContentStore, lease: String, packSize: Int, compression: Compression) {
        self.store = store
        self.lease = lease
        self.packSize = packSize
        encoder = FrameEncoder(compression: compression)
    }

    deinit {
        for pack in own.order {
            if let path = pack.path, path.hasPrefix(store.layout.temporary) { try? store.fileSystem.unlink(path) }
        }
    }

    /// Adds a frame as it is. The caller has checked everything in it. Objects that wait may come some frames later.
    func append(_ frame: StoredFrame) throws(StoreError) {
        try frame.bytes.withBytes { bytes throws(StoreError) in
            try append(bytes.part(0, frame.header.frameSize), frame.header.records)
        }
    }

    /// Adds an object. The caller has checked its digest.
    func append(_ bytes: UnsafeRawBufferPointer, _ record: ObjectRecord, _ content: FrameContent) throws(StoreError) {
        var builder = builders.removeValue(forKey: content) ?? FrameBuilder(content)
        if !builder.isEmpty, !builder.fits(bytes.count) {
            try wait(builder)
            builder = FrameBuilder(content)
        }
        builder.append(bytes, record)
        if builder.plain.count >= FrameHeader.usualPlainLength {
            try wait(builder)
        } else {
            builders[content] = builder
        }
    }

    private func wait(_ builder: FrameBuilder) throws(StoreError) {
        waiting.append(builder)
        if waiting.count >= FreshPacks.batch { try encodeWaiting() }
    }

    /// Makes frames of all that waits.
    private func sealFrames() throws(StoreError) {
        for content in FrameContent.allCases {
            if let builder = builders.removeValue(forKey: content), !builder.isEmpty { waiting.append(builder) }
        }
        try encodeWaiting()
    }

    private func encodeWaiting() throws(StoreError) {
        guard !waiting.isEmpty else { return }
        let frames = waiting
        waiting.removeAll()
        let bounds = frames.map { FrameEncoder.bound(plain: $0.plain.count, records: $0.records.count) }
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
        let sizes = [Int](unsafeUninitializedCapacity: frames.count) { sizes, count in
            Parallel.perform(frames.count) { index in
                let size = frames[index].plain.withUnsafeBytes {
                    encoder.encode(
                        $0, frames[index].records, frames[index].content,
                        into: target.part(starts[index], bounds[index]))
                }
                sizes.baseAddress.unsafelyUnwrapped.advanced(by: index).initialize(to: size)
            }
            count = frames.count
        }
        for (index, size) in sizes.enumerated() {
            try append(UnsafeRawBufferPointer(target.part(starts[index], size)), frames[index].records)
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
        _ = try store.keeper.publish(own.indexes, wanted: { _ in true }, temporaryName: "\(lease).index")
        try store.keeper.reload()
        let packs = own.order.map(\.pack)
        own = OwnObjects()
        return packs
    }
}
