import Glibc

/// Memory for generated code: one file, mapped twice, so that no page is writable and executable at once.
///
/// Not thread-safe.
package final class CodeMemory {
    /// The bytes, for writing.
    package let writable: UnsafeMutablePointer<UInt8>
    /// The same bytes, for execution.
    package let executable: UnsafeMutableRawPointer
    let capacity: Int

    /// - Returns: nil when the host allows no such mapping.
    init?(capacity: Int) {
        let file = Self.makeFile()
        guard file >= 0 else { return nil }
        defer { close(file) }
        guard ftruncate(file, capacity) == 0,
            let writing = mmap(nil, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), writing != MAP_FAILED
        else { return nil }
        guard let executing = mmap(nil, capacity, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0),
            executing != MAP_FAILED
        else {
            munmap(writing, capacity)
            return nil
        }
        writable = writing.bindMemory(to: UInt8.self, capacity: capacity)
        executable = executing
        self.capacity = capacity
    }

    deinit {
        munmap(writable, capacity)
        munmap(executable, capacity)
    }

    /// Takes the mapping for writing out of the process's resident memory; the bytes stay. They are mapped again as they are touched.
    func settleWritten() { madvise(writable, capacity, MADV_DONTNEED) }

    /// A file without name. `memfd_create` is not in Swift's overlay of the C library, so it is looked up.
    private static func makeFile() -> Int32 {
        typealias Create = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32
        if let symbol = dlsym(nil, "memfd_create") {
            // MFD_CLOEXEC.
            let file = unsafeBitCast(symbol, to: Create.self)("stemma-code", 1)
            if file >= 0 { return file }
        }
        let name = "/stemma-code-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let file = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
        if file >= 0 { shm_unlink(name) }
        return file
    }
}
