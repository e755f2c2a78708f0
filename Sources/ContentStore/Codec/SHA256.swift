import CCrypto

/// SHA-256 over pieces, by the system's libcrypto (SHA instructions where the CPU has them).
///
/// By the functions of the algorithm itself: those that look algorithms up by name (`EVP`) read a configuration and load providers
/// first, which takes longer than a clone.
package struct SHA256Hasher: ~Copyable {
    private let context: UnsafeMutablePointer<SHA256_CTX>

    package init() {
        context = .allocate(capacity: 1)
        context.initialize(to: SHA256_CTX())
        SHA256_Init(context)
    }

    deinit {
        context.deallocate()
    }

    /// Begins a new digest, forgetting what was added.
    package func restart() {
        SHA256_Init(context)
    }

    package func update(_ bytes: UnsafeRawBufferPointer) {
        SHA256_Update(context, bytes.baseAddress, bytes.count)
    }

    /// The digest of what was added. `restart()` before the next use.
    package func finish() -> Digest {
        withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { buffer in
            // Unsafe: the temporary allocation has room for the 32 bytes that the function writes.
            let start = buffer.baseAddress.unsafelyUnwrapped
            SHA256_Final(start.assumingMemoryBound(to: UInt8.self), context)
            return Digest(loadingFrom: UnsafeRawPointer(start))
        }
    }

    /// The digest of these bytes alone.
    func digest(of bytes: UnsafeRawBufferPointer) -> Digest {
        restart()
        update(bytes)
        return finish()
    }
}

extension Digest {
    /// The SHA-256 digest of bytes in memory.
    package init(of bytes: UnsafeRawBufferPointer) {
        self = SHA256Hasher().digest(of: bytes)
    }

    /// The SHA-256 digest of bytes in memory.
    package init(of bytes: [UInt8]) {
        self = bytes.withUnsafeBytes { Digest(of: $0) }
    }
}
