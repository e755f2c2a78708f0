import CZlib
import CZstd

/// Expands one compressed cluster.
enum ClusterDecompressor {
    /// Expands `input` to exactly `size` bytes.
    ///
    /// Bytes of `input` after the compressed stream are ignored: they belong to the next cluster.
    ///
    /// - Returns: nil when the stream is damaged or its length is another one.
    static func expand(_ input: [UInt8], to size: Int, compression: Qcow2Header.Compression) -> [UInt8]? {
        var output = [UInt8](repeating: 0, count: size)
        let isComplete = input.withUnsafeBytes { input in
            output.withUnsafeMutableBytes { output in
                switch compression {
                case .deflate: inflate(input, into: output)
                case .zstd: zstd(input, into: output)
                }
            }
        }
        return isComplete ? output : nil
    }

    /// A raw deflate stream. Any window size is accepted; QEMU writes 4 KiB windows.
    private static func inflate(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
        var stream = z_stream()
        let size = Int32(MemoryLayout<z_stream>.size)
        guard inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, size) == Z_OK else { return false }
        defer { inflateEnd(&stream) }
        // zlib does not write to its input; the pointer is only declared mutable.
        stream.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
        stream.avail_in = UInt32(input.count)
        stream.next_out = output.bindMemory(to: UInt8.self).baseAddress
        stream.avail_out = UInt32(output.count)
        let result = CZlib.inflate(&stream, Z_FINISH)
        // The writer may leave out the end of the stream once the cluster is full (then Z_BUF_ERROR).
        return (result == Z_STREAM_END || result == Z_BUF_ERROR) && stream.avail_out == 0
    }

    /// One zstd frame, expanded in a single step, so that no window beyond the output is allocated.
    private static func zstd(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
        let frame = ZSTD_findFrameCompressedSize(input.baseAddress, input.count)
        guard ZSTD_isError(frame) == 0 else { return false }
        return ZSTD_decompress(output.baseAddress, output.count, input.baseAddress, frame) == output.count
    }
}
