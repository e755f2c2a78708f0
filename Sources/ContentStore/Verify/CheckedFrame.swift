/// A frame of which everything was checked: CRCs, also those of its pieces, decoding, and each object against its digest.
///
/// Ordinary reading may rely on CRCs, which find accidents. What comes from elsewhere, or is to be verified, goes through here.
struct CheckedFrame: Sendable {
    let stored: StoredFrame
    let plain: [UInt8]
    /// For each object: whether its bytes have its digest, or are the list of a blob's parts.
    let isSound: [Bool]
    /// See ``StoredFrame/hasSoundPieces()``. Without it the frame is not to be stored as it is.
    let hasSoundPieces: Bool
    /// Where each object begins in `plain`.
    private let starts: [Int]

    /// Decodes and hashes; nil when the stored bytes do not decode.
    init?(_ stored: StoredFrame) {
        var isDecoded = false
        let count = stored.header.plainLength
        let plain = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            isDecoded = stored.decode(into: UnsafeMutableRawBufferPointer(buffer))
            initialized = isDecoded ? count : 0
        }
        guard isDecoded else { return nil }
        var starts: [Int] = []
        var isSound: [Bool] = []
        var position = 0
        let hasher = SHA256Hasher()
        for record in stored.header.records {
            starts.append(position)
            let range = position..<position + record.length
            if record.isIndirect {
                let list = Array(plain[range])
                isSound.append(PartList(parsing: list.span.bytes) != nil)
            } else {
                isSound.append(
                    plain.withUnsafeBytes { hasher.digest(of: $0.part(position, record.length)) } == record.digest)
            }
            position = range.upperBound
        }
        self.stored = stored
        self.plain = plain
        self.isSound = isSound
        hasSoundPieces = stored.hasSoundPieces()
        self.starts = starts
    }

    var header: FrameHeader { stored.header }
    var records: [ObjectRecord] { stored.header.records }

    /// Where object `index` is in `plain`.
    func range(_ index: Int) -> Range<Int> {
        starts[index]..<starts[index] + records[index].length
    }

    /// Every object is what its record says, and can be read in part.
    var isWhollySound: Bool { hasSoundPieces && isSound.allSatisfy { $0 } }

    /// The frame as it is stored.
    func withStoredBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try stored.bytes.withBytes { bytes throws(StoreError) in try body(bytes.part(0, stored.header.frameSize)) }
    }

    /// The plain bytes of object `index`.
    func withObject<Result>(
        _ index: Int, _ body: (UnsafeRawBufferPointer) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        let range = range(index)
        return try plain.withBytes { bytes throws(StoreError) in try body(bytes.part(range.lowerBound, range.count)) }
    }

    /// Checks frames on all cores, while `aside` runs on one of them.
    static func check(
        _ count: Int, aside: () throws(StoreError) -> Void = {},
        _ frame: (Int) throws(StoreError) -> StoredFrame
    ) throws(StoreError) -> [Result<CheckedFrame?, StoreError>] {
        var failure: StoreError?
        // Unsafe: iteration i initializes element i - 1 and nothing else; only iteration 0 touches the failure; nothing runs any more
        // when this returns.
        let results = [Result<CheckedFrame?, StoreError>](unsafeUninitializedCapacity: count) { results, initialized in
            Parallel.perform(count + 1) { iteration in
                guard iteration > 0 else {
                    do throws(StoreError) { try aside() } catch { failure = error }
                    return
                }
                let place = results.baseAddress.unsafelyUnwrapped.advanced(by: iteration - 1)
                do throws(StoreError) {
                    place.initialize(to: .success(CheckedFrame(try frame(iteration - 1))))
                } catch {
                    place.initialize(to: .failure(error))
                }
            }
            initialized = count
        }
        if let failure { throw failure }
        return results
    }
}

extension Frame {
    /// Whether object `index` is what its record says, as far as reading checks it. A list of parts must be one; its parts are checked
    /// where they are.
    func isSound(_ index: Int) -> Bool {
        guard let range = object(index) else { return false }
        guard records[index].isIndirect else { return true }
        let list = Array(bytes[range])
        return PartList(parsing: list.span.bytes) != nil
    }
}
