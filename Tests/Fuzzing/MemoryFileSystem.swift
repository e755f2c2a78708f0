import ContentStore
import Glibc
import Synchronization

/// A file system in memory: a store in it costs no system call, so that a fuzzer can open thousands a second.
final class MemoryFileSystem: FileSystem {
    private struct State {
        var files: [String: Int] = [:]
        var contents: [Int: [UInt8]] = [:]
        var directories: Set<String> = ["/"]
        /// The file of each descriptor.
        var descriptors: [Int32: Int] = [:]
        var nextFile = 0
        var nextDescriptor: Int32 = 1000
    }

    private let state = Mutex(State())

    /// Puts a file in place.
    func put(_ bytes: [UInt8], at path: String) {
        state.withLock { state in
            state.nextFile += 1
            state.contents[state.nextFile] = bytes
            state.files[path] = state.nextFile
        }
    }

    /// The files whose paths begin like this, with their bytes.
    func files(below prefix: String) -> [String: [UInt8]] {
        state.withLock { state in
            state.files.filter { $0.key.hasPrefix(prefix) }.compactMapValues { state.contents[$0] }
        }
    }

    /// A file system with the same files.
    func copy() -> MemoryFileSystem {
        let other = MemoryFileSystem()
        let copied = state.withLock { state in
            State(
                files: state.files, contents: state.contents, directories: state.directories, nextFile: state.nextFile)
        }
        other.state.withLock { $0 = copied }
        return other
    }

    func open(_ path: String, flags: Int32, mode: UInt32) throws(SystemCallError) -> Int32 {
        // Unnamed files are refused, so that the store falls back to named ones.
        if flags & 0o20_000_000 != 0 { throw SystemCallError("open", EOPNOTSUPP) }
        let descriptor = state.withLock { state -> Int32? in
            var file = state.files[path]
            if file == nil, flags & O_CREAT != 0 {
                state.nextFile += 1
                state.contents[state.nextFile] = []
                state.files[path] = state.nextFile
                file = state.nextFile
            }
            if file == nil, !state.directories.contains(path) { return nil }
            state.nextDescriptor += 1
            state.descriptors[state.nextDescriptor] = file ?? 0
            return state.nextDescriptor
        }
        guard let descriptor else { throw SystemCallError("open", ENOENT) }
        return descriptor
    }

    func close(_ descriptor: Int32) {
        state.withLock { $0.descriptors[descriptor] = nil }
    }

    func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int {
        state.withLock { state in
            guard let file = state.descriptors[descriptor], let bytes = state.contents[file],
                offset < UInt64(bytes.count)
            else { return 0 }
            let count = min(buffer.count, bytes.count - Int(offset))
            buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + count])
            return count
        }
    }

    func write(
        _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int {
        state.withLock { state in
            guard let file = state.descriptors[descriptor] else { return }
            let start = Int(offset)
            let missing = start + bytes.count - (state.contents[file]?.count ?? 0)
            if missing > 0 { state.contents[file, default: []] += [UInt8](repeating: 0, count: missing) }
            state.contents[file]?.replaceSubrange(start..<start + bytes.count, with: bytes)
        }
        return bytes.count
    }

    func startWriteback(_ descriptor: Int32, at offset: UInt64, length: UInt64) {}

    func synchronize(_ descriptor: Int32, dataOnly: Bool) throws(SystemCallError) {}

    func size(of descriptor: Int32) throws(SystemCallError) -> UInt64 {
        state.withLock { state in
            UInt64(state.descriptors[descriptor].flatMap { state.contents[$0]?.count } ?? 0)
        }
    }

    func link(_ descriptor: Int32, as path: String) throws(SystemCallError) {
        throw SystemCallError("linkat", EOPNOTSUPP)
    }

    func rename(_ old: String, to new: String) throws(SystemCallError) {
        let isThere = state.withLock { state in
            guard let file = state.files.removeValue(forKey: old) else { return false }
            state.files[new] = file
            return true
        }
        if !isThere { throw SystemCallError("rename", ENOENT) }
    }

    func unlink(_ path: String) throws(SystemCallError) {
        let isThere = state.withLock { $0.files.removeValue(forKey: path) != nil }
        if !isThere { throw SystemCallError("unlink", ENOENT) }
    }

    func makeDirectory(_ path: String, mode: UInt32) throws(SystemCallError) {
        let isNew = state.withLock { $0.directories.insert(path).inserted }
        if !isNew { throw SystemCallError("mkdir", EEXIST) }
    }

    func mode(of path: String) throws(SystemCallError) -> UInt32 { 0o700 }

    func entries(of path: String) throws(SystemCallError) -> [String] {
        let names = state.withLock { state -> [String]? in
            guard state.directories.contains(path) else { return nil }
            let prefix = path + "/"
            let all =
                state.files.keys.filter { $0.hasPrefix(prefix) } + state.directories.filter { $0.hasPrefix(prefix) }
            return Set(all.map { String($0.dropFirst(prefix.count).prefix { $0 != "/" }) }).sorted()
        }
        guard let names else { throw SystemCallError("opendir", ENOENT) }
        return names
    }

    func lock(_ descriptor: Int32, exclusive: Bool, wait: Bool) throws(SystemCallError) -> Bool { true }

    func map(_ descriptor: Int32, length: Int) throws(SystemCallError) -> UnsafeRawPointer {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 4096)
        copy.initializeMemory(as: UInt8.self, repeating: 0)
        _ = try read(descriptor, into: copy, at: 0)
        return UnsafeRawPointer(copy.baseAddress.unsafelyUnwrapped)
    }

    func unmap(_ pointer: UnsafeRawPointer, length: Int) { pointer.deallocate() }
}
