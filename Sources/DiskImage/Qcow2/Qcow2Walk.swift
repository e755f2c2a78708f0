/// Reads everything that a qcow2 file says, from bytes in memory: the entry for a fuzzer.
///
/// ```
/// @_cdecl("LLVMFuzzerTestOneInput")
/// func fuzz(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
///     _ = Qcow2Walk(UnsafeRawBufferPointer(start: data, count: size))
///     return 0
/// }
/// ```
///
/// Nothing is kept from one walk to the next; no file is opened. Memory and time are bounded by the length of the input and the budget, whatever
/// sizes the input claims. Damage is counted, never trapped on.
package struct Qcow2Walk: Sendable, Hashable {
    /// Steps that succeeded: opening, extents and contents of each disk, each VM state.
    package private(set) var successes = 0
    /// Steps that threw a ``DiskImageError``.
    package private(set) var failures = 0
    /// Extents that were found.
    package private(set) var extents = 0
    /// Bytes of disks and VM states that were read.
    package private(set) var bytesRead = 0

    private var budget: Int

    /// Opens the image and walks it.
    ///
    /// - Parameters:
    ///   - bytes: The file.
    ///   - budget: Most bytes that are read from its disks and VM states together.
    package init(_ bytes: UnsafeRawBufferPointer, budget: Int = 4 << 20) {
        self.budget = budget
        let file = ImageFile(bytes: Array(bytes), name: "input")
        guard let image = attempt({ () throws(DiskImageError) in try Qcow2Image(file: file) }) else { return }
        if let layer = attempt({ () throws(DiskImageError) in try image.activeLayer() }) { walk(layer) }
        for snapshot in image.snapshots.prefix(16) {
            if let layer = attempt({ () throws(DiskImageError) in try image.layer(of: snapshot) }) { walk(layer) }
            if let state = attempt({ () throws(DiskImageError) in try image.vmState(of: snapshot) }) { walk(state) }
        }
        _ = attempt { () throws(DiskImageError) in try image.refreshed() }
    }

    private mutating func attempt<Value>(_ body: () throws(DiskImageError) -> Value) -> Value? {
        do throws(DiskImageError) {
            let value = try body()
            successes += 1
            return value
        } catch {
            failures += 1
            return nil
        }
    }

    private mutating func walk(_ layer: Qcow2Layer) {
        let found = attempt { () throws(DiskImageError) in try layer.extents(from: 0, length: layer.virtualSize) }
        extents += found?.count ?? 0
        // Odd places: inside clusters, across their borders, and the end.
        for extent in found ?? [] where extent.kind == .data && budget > 0 {
            read(from: extent.offset + extent.length / 3, to: extent.end, maximum: 70_000) {
                (offset, buffer) throws(DiskImageError) in try layer.read(at: offset, into: buffer)
            }
        }
        read(from: layer.virtualSize - min(layer.virtualSize, 9000), to: layer.virtualSize, maximum: 9000) {
            (offset, buffer) throws(DiskImageError) in try layer.read(at: offset, into: buffer)
        }
    }

    private mutating func walk(_ state: Qcow2VMState) {
        for start in [0, state.size / 2, state.size - min(state.size, 5000)] {
            read(from: start, to: state.size, maximum: 70_000) {
                (offset, buffer) throws(DiskImageError) in try state.read(at: offset, into: buffer)
            }
        }
    }

    private mutating func read(
        from start: UInt64, to end: UInt64, maximum: UInt64,
        _ body: (UInt64, UnsafeMutableRawBufferPointer) throws(DiskImageError) -> Void
    ) {
        let count = min(Int(min(end - start, maximum)), budget)
        guard count > 0 else { return }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        defer { buffer.deallocate() }
        budget -= count
        if attempt({ () throws(DiskImageError) in try body(start, buffer) }) != nil { bytesRead += count }
    }
}
