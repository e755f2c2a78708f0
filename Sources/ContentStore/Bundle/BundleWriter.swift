/// Writes a bundle from start to end, to anything that takes bytes in order.
final class BundleWriter {
    private let sink: (UnsafeRawBufferPointer) throws(StoreError) -> Void
    private let hasher = SHA256Hasher()
    private var filling: [UInt8] = []
    private var flushing: [UInt8] = []
    private(set) var report = BundleReport()
    private static let bufferSize = 1 << 20

    init(
        _ manifest: BundleManifest, sink: @escaping (UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) {
        self.sink = sink
        filling = try manifest.bytes()
    }

    /// Adds a frame.
    func append(_ frame: UnsafeRawBufferPointer, objects: Int, plainBytes: Int) {
        filling.append(contentsOf: frame)
        report.frames += 1
        report.objects += UInt64(objects)
        report.plainBytes += UInt64(plainBytes)
    }

    /// Hands over what was collected, if that is much, for `writeHandedOver`.
    func handOver() {
        if flushing.isEmpty, filling.count >= BundleWriter.bufferSize { swap(&filling, &flushing) }
    }

    /// Hashes and writes what was handed over. No other method may run at the same time.
    func writeHandedOver() throws(StoreError) {
        guard !flushing.isEmpty else { return }
        try flushing.withBytes { bytes throws(StoreError) in
            hasher.update(bytes)
            try sink(bytes)
        }
        report.bytes += UInt64(flushing.count)
        flushing.removeAll(keepingCapacity: true)
    }

    /// Writes the rest and the end.
    func finish() throws(StoreError) -> BundleReport {
        filling += BundleEnd(frames: report.frames, objects: report.objects).bytes
        for _ in 0..<2 {
            try writeHandedOver()
            swap(&filling, &flushing)
        }
        let digest = hasher.finish().bytes
        try digest.withBytes(sink)
        report.bytes += UInt64(digest.count)
        report.newObjects = report.objects
        return report
    }
}
