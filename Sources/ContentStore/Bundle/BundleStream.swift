import Glibc

/// Reads and writes descriptors in order: pipes and sockets too.
enum BundleStream {
    /// Reads some bytes; 0 at the end.
    static func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        guard let base = buffer.baseAddress else { return 0 }
        while true {
            let count = Glibc.read(descriptor, base, buffer.count)
            if count >= 0 { return count }
            if errno != EINTR { throw StoreError(SystemCallError("read", errno), "reading a bundle", path: "") }
        }
    }

    /// Writes all bytes. The caller sees to it that a pipe whose reader is gone raises no signal, or dies of it.
    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws(StoreError) {
        var rest = bytes
        while let base = rest.baseAddress, !rest.isEmpty {
            let count = Glibc.write(descriptor, base, rest.count)
            if count > 0 { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
            if count < 0, errno != EINTR {
                throw StoreError(SystemCallError("write", errno), "writing a bundle", path: "")
            }
        }
    }
}
