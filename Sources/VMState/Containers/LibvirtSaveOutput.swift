import Glibc

/// A new file of the form that `virsh restore` takes. What is written to it is the migration stream.
///
/// As with libvirt, the file is marked as unfinished until ``finish()`` has put everything on the disk.
package struct LibvirtSaveOutput: ByteOutput, ~Copyable {
    private let header: LibvirtSaveHeader
    private let path: String
    private let descriptor: Int32
    private var plain: DescriptorByteOutput
    private var packer: FilterProgram?

    /// Creates the file; it must not exist.
    ///
    /// - Throws: `unsupported` for the format `sparse`, `io` with errno's text.
    package init(path: String, header: LibvirtSaveHeader) throws(VMStateError) {
        guard header.compression != .sparse else {
            throw VMStateError(
                .unsupported, "libvirt's sparse format cannot be written; choose raw or a packed one", file: path)
        }
        let texts = try header.bytes(isFinished: false)
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw VMStateError(.io, "cannot create the file", file: path, cause: systemErrorText(errno))
        }
        var plain = DescriptorByteOutput(descriptor: descriptor, name: path)
        let packer: FilterProgram?
        do throws(VMStateError) {
            packer = try Self.begin(texts, to: &plain, descriptor, header.compression)
        } catch {
            close(descriptor)
            throw error
        }
        self.init(header: header, path: path, descriptor: descriptor, plain: plain, packer: packer)
    }

    private init(
        header: LibvirtSaveHeader, path: String, descriptor: Int32, plain: DescriptorByteOutput,
        packer: consuming FilterProgram?
    ) {
        self.header = header
        self.path = path
        self.descriptor = descriptor
        self.plain = plain
        self.packer = packer
    }

    /// Writes the header and starts what packs the rest.
    private static func begin(
        _ texts: [UInt8], to output: inout DescriptorByteOutput, _ descriptor: Int32,
        _ compression: LibvirtSaveHeader.Compression
    ) throws(VMStateError) -> FilterProgram? {
        var failure: VMStateError?
        texts.withUnsafeBytes { bytes in
            do throws(VMStateError) { try output.write(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        return compression.program == nil ? nil : try FilterProgram.packing(compression, to: descriptor)
    }

    deinit { close(descriptor) }

    package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(VMStateError) {
        if packer == nil { return try plain.write(bytes) }
        try packer?.write(bytes)
    }

    /// Ends the stream and makes the file valid.
    package consuming func finish() throws(VMStateError) {
        if let packer = packer.take() { try packer.finish() }
        func require(_ succeeded: Bool) throws(VMStateError) {
            guard succeeded else {
                throw VMStateError(.io, "cannot write the file to the disk", file: path, cause: systemErrorText(errno))
            }
        }
        try require(fsync(descriptor) == 0)
        let magic = LibvirtSaveHeader.magic
        try require(magic.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) } == magic.count)
        try require(fsync(descriptor) == 0)
    }
}
