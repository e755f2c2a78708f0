import Glibc

/// What a process has in memory (proc(5), smaps_rollup), in bytes.
package struct MemoryUse: Sendable, Hashable, Codable {
    /// Everything that it maps and that is in memory.
    package var resident: UInt64 = 0
    /// The same, with each page divided by the number of processes that map it: these add up over processes.
    package var proportional: UInt64 = 0
    /// Pages that other processes map too.
    package var shared: UInt64 = 0
    /// Pages of its own.
    package var unshared: UInt64 = 0

    /// Reads it for a process of the user; `nil` when there is none.
    package init?(process: Int32) {
        guard let file = try? FileDescriptor(opening: "/proc/\(process)/smaps_rollup", O_RDONLY),
            let bytes = try? file.readAll(limit: 65_536)
        else { return nil }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 2, let value = UInt64(words[1]) else { continue }
            switch words[0] {
            case "Rss:": resident = value << 10
            case "Pss:": proportional = value << 10
            case "Shared_Clean:", "Shared_Dirty:": shared += value << 10
            case "Private_Clean:", "Private_Dirty:": unshared += value << 10
            default: break
            }
        }
        guard resident > 0 else { return nil }
    }
}

extension QEMUProcess {
    /// What QEMU has in memory; `nil` when it has ended.
    package func memoryUse() -> MemoryUse? { MemoryUse(process: processID) }
}
