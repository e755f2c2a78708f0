import Glibc

/// Memory of the process that measures.
package enum HostMemory {
    /// Bytes of the process that are in the host's memory, from `/proc/self/statm` (proc(5)); 0 where there is no such file.
    package static var residentBytes: Int {
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        let text = withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            let count = read(file, buffer.baseAddress, buffer.count)
            return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
        }
        // The second number: resident pages.
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    /// Has the C library give memory back that nobody uses, so that differences of ``residentBytes`` mean something. `malloc_trim` is not
    /// in Swift's overlay of the C library, so it is looked up; without it nothing happens.
    package static func giveBackUnused() {
        typealias Trim = @convention(c) (Int) -> Int32
        if let symbol = dlsym(nil, "malloc_trim") { _ = unsafeBitCast(symbol, to: Trim.self)(0) }
    }
}
