import Glibc

/// Where a stream is written to, from front to back.
package protocol ByteOutput: ~Copyable {
    /// Takes all of `bytes`, or throws.
    mutating func write(_ bytes: UnsafeRawBufferPointer) throws(VMStateError)
}

/// An output in memory.
package struct ArrayByteOutput: ByteOutput {
    /// What was written so far.
    package private(set) var bytes: [UInt8] = []

    /// An empty output.
    package init() {}

    package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(VMStateError) {
        self.bytes.append(contentsOf: bytes)
    }
}

/// An output to an open descriptor: a file, a pipe or a socket.
///
/// The descriptor stays the property of the caller. It has to be blocking, and SIGPIPE has to be ignored: a reader that
/// goes away is then the error EPIPE.
package struct DescriptorByteOutput: ByteOutput {
    private let descriptor: Int32
    private let name: String
    /// Number of bytes written so far.
    package private(set) var count: UInt64 = 0

    /// Writes to `descriptor`, which messages call `name`.
    package init(descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(VMStateError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let result = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if result >= 0 {
                done += result
                count += UInt64(result)
            } else if errno != EINTR {
                throw VMStateError(
                    .io, "cannot write the stream", offset: count, file: name, cause: systemErrorText(errno))
            }
        }
    }
}

/// An output to a new file. Call `synchronize()` at the end.
package struct FileByteOutput: ByteOutput, ~Copyable {
    private let descriptor: Int32
    private var output: DescriptorByteOutput
    private let path: String

    /// Creates a file, or empties the one that is there.
    package init(path: String) throws(VMStateError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw VMStateError(.io, "cannot create the file", file: path, cause: systemErrorText(errno))
        }
        self.descriptor = descriptor
        self.path = path
        output = DescriptorByteOutput(descriptor: descriptor, name: path)
    }

    deinit { Glibc.close(descriptor) }

    package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(VMStateError) { try output.write(bytes) }

    /// Makes sure that what was written is on the disk.
    package consuming func synchronize() throws(VMStateError) {
        guard fsync(descriptor) == 0 else {
            throw VMStateError(.io, "cannot write the file to the disk", file: path, cause: systemErrorText(errno))
        }
    }
}
