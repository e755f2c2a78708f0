import Glibc

/// System calls of Linux that the Glibc module does not declare, looked up by name.
enum SystemCalls {
    /// `accept4(2)`: the new descriptor is closed on exec from its first moment on.
    static func accept(_ listener: CInt) -> CInt {
        typealias Function = @convention(c) (CInt, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, CInt) -> CInt
        guard let function = accept4Symbol.address else {
            errno = ENOSYS
            return -1
        }
        // The symbol is the C library's, and this is its signature in accept(2).
        return unsafeBitCast(function, to: Function.self)(listener, nil, nil, CInt(SOCK_CLOEXEC.rawValue))
    }

    /// `fallocate(2)`.
    static func allocate(_ descriptor: CInt, mode: CInt, offset: off_t, length: off_t) -> CInt {
        typealias Function = @convention(c) (CInt, CInt, off_t, off_t) -> CInt
        guard let function = fallocateSymbol.address else {
            errno = EOPNOTSUPP
            return -1
        }
        // The symbol is the C library's, and this is its signature in fallocate(2).
        return unsafeBitCast(function, to: Function.self)(descriptor, mode, offset, length)
    }

    /// `preadv2(2)` with one buffer and `RWF_NOWAIT`: what is in memory, or -1 with EAGAIN.
    static func readCached(_ descriptor: CInt, _ buffer: UnsafeMutableRawBufferPointer, offset: off_t) -> Int {
        typealias Function = @convention(c) (CInt, UnsafePointer<iovec>?, CInt, off_t, CInt) -> Int
        guard let function = preadv2Symbol.address else {
            errno = EOPNOTSUPP
            return -1
        }
        var vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
        // The symbol is the C library's, and this is its signature in preadv2(2).
        return unsafeBitCast(function, to: Function.self)(descriptor, &vector, 1, offset, 8)
    }

    /// Flags of `fallocate`.
    static let keepSize: CInt = 0x01
    static let punchHole: CInt = 0x02
    static let zeroRange: CInt = 0x10

    /// `SEEK_DATA` of `lseek`.
    static let seekData: CInt = 3

    private static let accept4Symbol = Symbol("accept4")
    private static let fallocateSymbol = Symbol("fallocate")
    private static let preadv2Symbol = Symbol("preadv2")

    /// `@unchecked Sendable`: the address of code, which never changes.
    private struct Symbol: @unchecked Sendable {
        let address: UnsafeMutableRawPointer?
        init(_ name: String) { address = dlsym(nil, name) }
    }

    /// What the last failed call says.
    static var lastError: String { String(cString: strerror(errno)) }
}
