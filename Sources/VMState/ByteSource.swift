import Glibc

/// Bytes that can be read at any offset, as a migration stream must be (its description is at the end).
package protocol ByteSource: Sendable {
    /// Number of bytes.
    var count: UInt64 { get }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// `offset + buffer.count` is at most `count`; otherwise, and when reading fails, the method throws.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(VMStateError)
}

extension ByteSource {
    /// Reads `length` bytes from `offset` on into an array. The caller has checked `length` against a limit.
    package func bytes(at offset: UInt64, length: Int) throws(VMStateError) -> [UInt8] {
        let (end, overflow) = offset.addingReportingOverflow(UInt64(max(0, length)))
        guard length >= 0, !overflow, end <= count else {
            throw VMStateError(
                .truncated, "the stream ends here, \(length) more bytes were expected", offset: min(offset, count))
        }
        var array = [UInt8](repeating: 0, count: length)
        var failure: VMStateError?
        array.withUnsafeMutableBytes { buffer in
            do throws(VMStateError) { try read(at: offset, into: buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return array
    }
}

/// Bytes in memory.
package struct ArrayByteSource: ByteSource {
    /// The bytes.
    package let bytes: [UInt8]

    /// Wraps an array.
    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package var count: UInt64 { UInt64(bytes.count) }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(VMStateError) {
        guard let start = Int(exactly: offset), start <= bytes.count, bytes.count - start >= buffer.count else {
            throw VMStateError(.truncated, "the stream ends before \(buffer.count) more bytes", offset: offset)
        }
        copy(from: start, into: buffer)
    }

    /// Apart from `read`, because the optimiser of Swift 6.3 lets a throwing function end in a jump to memcpy, which loses
    /// the register that says "no error" (`Tests/check-machine-code` looks for that).
    @inline(never)
    private func copy(from start: Int, into buffer: UnsafeMutableRawBufferPointer) {
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + buffer.count]))
        }
    }
}

/// A regular file, read with `pread`.
package final class FileByteSource: ByteSource {
    /// The file's name, for messages.
    package let path: String
    package let count: UInt64
    private let descriptor: Int32

    /// Opens a file for reading.
    package init(path: String) throws(VMStateError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw VMStateError(.io, "cannot open the file", file: path, cause: systemErrorText(errno))
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let cause = systemErrorText(errno)
            close(descriptor)
            throw VMStateError(.io, "cannot inspect the file", file: path, cause: cause)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw VMStateError(
                .io, "not a regular file; a stream from a pipe has to be written to a file first", file: path)
        }
        self.path = path
        self.descriptor = descriptor
        count = UInt64(max(0, status.st_size))
    }

    /// Takes over an open descriptor of a file with `count` bytes, which messages call `path`.
    init(descriptor: Int32, path: String, count: UInt64) {
        self.descriptor = descriptor
        self.path = path
        self.count = count
    }

    deinit { close(descriptor) }

    /// Another descriptor of the file, with a position of its own, for a child process. The caller closes it.
    func reopened(at offset: UInt64) throws(VMStateError) -> Int32 {
        let other = open("/proc/self/fd/\(descriptor)", O_RDONLY | O_CLOEXEC)
        guard other >= 0, let position = off_t(exactly: offset), lseek(other, position, SEEK_SET) == position else {
            let cause = systemErrorText(errno)
            if other >= 0 { close(other) }
            throw VMStateError(.io, "cannot read the file", offset: offset, file: path, cause: cause)
        }
        return other
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(VMStateError) {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            guard let position = off_t(exactly: offset + UInt64(done)) else {
                throw VMStateError(.truncated, "offset beyond the largest file", offset: offset, file: path)
            }
            let result = pread(descriptor, rest.baseAddress, rest.count, position)
            if result > 0 {
                done += result
            } else if result == 0 {
                throw VMStateError(
                    .truncated, "the file ends before \(rest.count) more bytes", offset: offset + UInt64(done),
                    file: path)
            } else if errno != EINTR {
                throw VMStateError(
                    .io, "cannot read the file", offset: offset, file: path, cause: systemErrorText(errno))
            }
        }
    }
}

/// The text of an errno value.
func systemErrorText(_ code: Int32) -> String {
    guard let text = strerror(code) else { return "errno \(code)" }
    return String(cString: text)
}
