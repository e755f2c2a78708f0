import Foundation
import Workflow

/// A raw file, whose holes are not read.
package struct SparseFile: ~Copyable {
    private let descriptor: Int32
    private let path: String
    package let size: UInt64

    package init(path: String) throws {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw WorkflowError(.missing, "\(path) cannot be opened.") }
        self.path = path
        size = UInt64(max(0, lseek(descriptor, 0, SEEK_END)))
    }

    deinit { close(descriptor) }

    /// Where the file has data.
    package func dataRanges() -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        var position: off_t = 0
        while true {
            // 3 and 4: SEEK_DATA and SEEK_HOLE of Linux.
            let start = lseek(descriptor, position, 3)
            if start < 0 { return ranges }
            let end = lseek(descriptor, start, 4)
            if end <= start { return ranges }
            ranges.append(UInt64(start)..<UInt64(end))
            position = end
        }
    }

    /// Reads all data in pieces of at most 4 MiB.
    package func forEachDataRange(_ body: (UInt64, UnsafeRawBufferPointer) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        for range in dataRanges() {
            var offset = range.lowerBound
            while offset < range.upperBound {
                let count = Int(min(UInt64(buffer.count), range.upperBound - offset))
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                try read(at: offset, into: part)
                try body(offset, UnsafeRawBufferPointer(part))
                offset += UInt64(count)
            }
            try Task.checkCancellation()
        }
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset) + off_t(done))
            guard count > 0 else { throw WorkflowError(.io, "\(path) cannot be read at \(offset).") }
            done += count
        }
    }

    /// Whether two files of the same size have the same bytes. Holes are zeros.
    package static func haveEqualBytes(_ one: String, _ other: String) throws -> Bool {
        let first = try SparseFile(path: one)
        let second = try SparseFile(path: other)
        guard first.size == second.size else { return false }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var isEqual = true
        func compare(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer, with file: borrowing SparseFile) throws {
            guard isEqual else { return }
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<bytes.count])
            try file.read(at: offset, into: part)
            guard let a = part.baseAddress, let b = bytes.baseAddress else { return }
            isEqual = memcmp(a, b, bytes.count) == 0
        }
        try first.forEachDataRange { try compare($0, $1, with: second) }
        // What is a hole in the first and data in the second has to be zero there.
        try second.forEachDataRange { try compare($0, $1, with: first) }
        return isEqual
    }
}
