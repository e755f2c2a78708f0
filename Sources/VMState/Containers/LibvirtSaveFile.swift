import Glibc

/// A file of `virsh save` (also the memory file of an external snapshot), open for reading.
///
/// A packed stream is unpacked into a file without a name first, because a stream is read at any offset.
package struct LibvirtSaveFile: ByteSource {
    private enum Storage: Sendable {
        case part(SubrangeByteSource<FileByteSource>)
        case unpacked(FileByteSource)
    }

    package let header: LibvirtSaveHeader
    /// Where the stream, packed or not, begins in the file.
    package let streamOffset: UInt64
    private let storage: Storage

    /// Bytes that a stream may have when it is unpacked, unless the caller says otherwise.
    package static let unpackedLimit: UInt64 = 1 << 40

    /// Opens a save file.
    ///
    /// - Parameters:
    ///   - scratch: where the unpacked stream goes; it needs as much room as the guest uses memory.
    ///   - limit: bytes of it at most: a small file can unpack to an endless one.
    init(
        _ file: FileByteSource, scratch: String = "/var/tmp", limit: UInt64 = LibvirtSaveFile.unpackedLimit
    ) throws(VMStateError) {
        do throws(VMStateError) {
            (header, streamOffset) = try LibvirtSaveHeader.read(from: file)
            if header.compression.program == nil {
                storage = .part(SubrangeByteSource(file, from: streamOffset))
            } else {
                storage = .unpacked(
                    try Self.unpack(file, header.compression, from: streamOffset, scratch: scratch, limit: limit))
            }
        } catch {
            throw error.inFile(file.path)
        }
    }

    package var count: UInt64 {
        switch storage {
        case .part(let part): part.count
        case .unpacked(let file): file.count
        }
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(VMStateError) {
        switch storage {
        case .part(let part): try part.read(at: offset, into: buffer)
        case .unpacked(let file): try file.read(at: offset, into: buffer)
        }
    }

    private static func unpack(
        _ file: FileByteSource, _ compression: LibvirtSaveHeader.Compression, from offset: UInt64, scratch: String,
        limit: UInt64
    ) throws(VMStateError) -> FileByteSource {
        let input = try file.reopened(at: offset)
        defer { close(input) }
        let output = try temporaryFile(in: scratch)
        var isKept = false
        defer { if !isKept { close(output) } }
        var writer = DescriptorByteOutput(descriptor: output, name: "\(scratch) (the unpacked stream)")
        let program = try FilterProgram.unpacking(compression, from: input)
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var failure: VMStateError?
        buffer.withUnsafeMutableBytes { bytes in
            do throws(VMStateError) {
                while true {
                    let count = try program.read(into: bytes)
                    if count == 0 { break }
                    guard writer.count + UInt64(count) <= limit else {
                        throw VMStateError(
                            .limit, "the packed stream has more than \(limit) bytes when it is unpacked", offset: offset
                        )
                    }
                    try writer.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                }
            } catch { failure = error }
        }
        if let failure { throw failure }
        do throws(VMStateError) {
            try program.finish()
        } catch {
            var located = error
            located.offset = offset
            throw located
        }
        isKept = true
        return FileByteSource(descriptor: output, path: file.path, count: writer.count)
    }
}
