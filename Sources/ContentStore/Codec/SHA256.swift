import CCrypto

/// SHA-256 over pieces, by the system's libcrypto (SHA instructions where the CPU has them).
struct SHA256Hasher: ~Copyable {
    private let context: OpaquePointer?

    init() {
        context = EVP_MD_CTX_new()
        EVP_DigestInit_ex(context, EVP_sha256(), nil)
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    /// Begins a new digest, forgetting what was added.
    func restart() {
        // Without naming the function again: finding it costs as much as hashing 1 KiB.
        EVP_DigestInit_ex(context, nil, nil)
    }

    func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// The digest of what was added. `restart()` before the next use.
    ///
    /// libcrypto can fail here only when it is out of memory; then there is no digest and nothing may go on.
    func finish() -> Digest {
        withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { buffer in
            let done = EVP_DigestFinal_ex(context, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), nil)
            precondition(done == 1 && context != nil, "libcrypto could not compute a SHA-256 digest")
            return Digest(loadingFrom: UnsafeRawPointer(buffer.baseAddress.unsafelyUnwrapped))
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
