import CZlib
import CZstd

/// Compresses clusters one after the other; one for each thread.
struct ClusterCompressor: ~Copyable {
    private enum Engine {
        /// On the heap, because zlib remembers the address of its state.
        case zlib(UnsafeMutablePointer<z_stream>)
        case zstd(OpaquePointer)
    }

    private let engine: Engine

    /// - Returns: nil when nothing is to be compressed.
    /// - Throws: `.io` when the library cannot be set up.
    init?(_ compression: Qcow2WriteOptions.Compression) throws(DiskImageError) {
        switch compression {
        case .none: return nil
        case .zlib(let level):
            let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
            stream.initialize(to: z_stream())
            // QEMU expands with a window of 4 KiB and no header; it compresses with the largest hash table.
            let result = deflateInit2_(
                stream, Int32(clamping: level), Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size))
            guard result == Z_OK else {
                stream.deallocate()
                throw Self.unusable("zlib", level: level)
            }
            engine = .zlib(stream)
        case .zstd(let level):
            guard let context = ZSTD_createCCtx() else { throw Self.unusable("zstd", level: level) }
            guard ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(clamping: level))) == 0
            else {
                ZSTD_freeCCtx(context)
                throw Self.unusable("zstd", level: level)
            }
            engine = .zstd(context)
        }
    }

    deinit {
        switch engine {
        case .zlib(let stream):
            deflateEnd(stream)
            stream.deallocate()
        case .zstd(let context): ZSTD_freeCCtx(context)
        }
    }

    /// Compresses one cluster.
    ///
    /// - Parameter output: As much room as the result may have.
    /// - Returns: The length of the result, or nil when it has no room there.
    func compress(_ cluster: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int? {
        switch engine {
        case .zlib(let stream):
            guard deflateReset(stream) == Z_OK else { return nil }
            // zlib does not write to its input; the pointer is only declared mutable.
            stream.pointee.next_in = UnsafeMutablePointer(mutating: cluster.bindMemory(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = UInt32(cluster.count)
            stream.pointee.next_out = output.bindMemory(to: UInt8.self).baseAddress
            stream.pointee.avail_out = UInt32(output.count)
            guard deflate(stream, Z_FINISH) == Z_STREAM_END else { return nil }
            return output.count - Int(stream.pointee.avail_out)
        case .zstd(let context):
            let length = ZSTD_compress2(
                context, output.baseAddress, output.count, cluster.baseAddress, cluster.count)
            return ZSTD_isError(length) == 0 ? length : nil
        }
    }

    private static func unusable(_ library: String, level: Int) -> DiskImageError {
        DiskImageError(.io, "\(library) cannot be set up with level \(level); give another level or free some memory")
    }
}
