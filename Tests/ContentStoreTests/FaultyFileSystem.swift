import ContentStore
import Glibc
import Synchronization

/// The real file system, with failures at chosen calls, and with a power cut: what was not synced may be lost.
final class FaultyFileSystem: FileSystem {
    enum Fault: Sendable, Equatable {
        case none
        /// Call number n fails once.
        case once(at: Int, errno: Int32)
        /// Call number n and all that change something after it fail, as on a full disk.
        case from(Int, errno: Int32)
        /// The process dies at call number n: a write may be done in part, and nothing happens after it.
        case crash(at: Int)
    }

    private struct State {
        var calls = 0
        var isDead = false
        /// Changes of names that no `fsync` of a directory has made durable, with what undoes them.
        var names: [NameChange] = []
        /// Files with bytes that are not synced: by inode, a descriptor of their own.
        var dirty: [UInt64: Int32] = [:]
        var saved = 0
    }

    private enum NameChange {
        case made(String)
        /// What had the new name before is kept under a third one.
        case renamed(old: String, new: String, kept: String?)
        case removed(String, kept: String?)

        var path: String {
            switch self {
            case .made(let path), .removed(let path, _): path
            case .renamed(_, let new, _): new
            }
        }
    }

    private let real = SystemFileSystem()
    private let fault: Fault
    private let writesAreShort: Bool
    private let hasUnnamedFiles: Bool
    /// Where overwritten files are kept for a power cut; nil when there will be none.
    private let graveyard: String?
    private let state = Mutex(State())

    /// - Parameter hasUnnamedFiles: false for a file system without `O_TMPFILE`.
    init(
        _ fault: Fault = .none, writesAreShort: Bool = false, hasUnnamedFiles: Bool = true, graveyard: String? = nil
    ) {
        self.fault = fault
        self.hasUnnamedFiles = hasUnnamedFiles
        self.writesAreShort = writesAreShort
        self.graveyard = graveyard
    }

    deinit {
        for descriptor in state.withLock({ $0.dirty.values.map { $0 } }) { real.close(descriptor) }
    }

    /// The number of calls so far.
    var calls: Int { state.withLock { $0.calls } }

    /// Counts a call; throws when it is to fail, returns true when the process dies in the middle of it.
    private func enter(_ name: String, changes: Bool = true) throws(SystemCallError) -> Bool {
        let (number, isDead) = state.withLock { state in
            state.calls += 1
            return (state.calls - 1, state.isDead)
        }
        switch fault {
        case .none: return false
        case .once(let at, let errno):
            if number == at { throw SystemCallError(name, errno) }
        case .from(let at, let errno):
            if number >= at && (changes || number == at) { throw SystemCallError(name, errno) }
        case .crash(let at):
            if isDead { throw SystemCallError(name, EIO) }
            if number == at {
                state.withLock { $0.isDead = true }
                return true
            }
        }
        return false
    }

    private func check(_ name: String, changes: Bool = true) throws(SystemCallError) {
        if try enter(name, changes: changes) { throw SystemCallError(name, EIO) }
    }

    func open(_ path: String, flags: Int32, mode: UInt32) throws(SystemCallError) -> Int32 {
        try check("open", changes: flags & (O_CREAT | O_WRONLY | O_RDWR) != 0)
        if !hasUnnamedFiles && flags & 0o20_000_000 != 0 { throw SystemCallError("open", EOPNOTSUPP) }
        let existed = flags & O_CREAT == 0 || access(path, F_OK) == 0
        let descriptor = try real.open(path, flags: flags, mode: mode)
        if !existed { note(.made(path)) }
        return descriptor
    }

    func close(_ descriptor: Int32) { real.close(descriptor) }

    func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int {
        try check("pread", changes: false)
        let part = writesAreShort && buffer.count > 1 ? buffer.count / 2 : buffer.count
        return try real.read(descriptor, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<part]), at: offset)
    }

    func write(
        _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64
    ) throws(SystemCallError) -> Int {
        let dies = try enter("pwrite")
        let isShort = dies || writesAreShort
        let part = isShort && bytes.count > 1 ? bytes.count / 2 : bytes.count
        noteDirty(descriptor)
        let count = try real.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[..<part]), at: offset)
        if dies { throw SystemCallError("pwrite", EIO) }
        return count
    }

    func startWriteback(_ descriptor: Int32, at offset: UInt64, length: UInt64) {
        real.startWriteback(descriptor, at: offset, length: length)
    }

    func synchronize(_ descriptor: Int32, dataOnly: Bool) throws(SystemCallError) {
        // Nothing is synced really: the tests cut no real power, and would mostly wait.
        try check("fsync")
        guard graveyard != nil else { return }
        var target = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/\(descriptor)", &target, 4095)
        let path = String(decoding: target.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let inode = self.inode(descriptor)
        state.withLock { state in
            if let copy = state.dirty.removeValue(forKey: inode) { real.close(copy) }
            state.names.removeAll { $0.path.hasPrefix(path + "/") && !$0.path.dropFirst(path.count + 1).contains("/") }
        }
    }

    func size(of descriptor: Int32) throws(SystemCallError) -> UInt64 {
        try check("fstat", changes: false)
        return try real.size(of: descriptor)
    }

    func link(_ descriptor: Int32, as path: String) throws(SystemCallError) {
        try check("linkat")
        try real.link(descriptor, as: path)
        note(.made(path))
    }

    func rename(_ old: String, to new: String) throws(SystemCallError) {
        try check("rename")
        let kept = keep(new)
        try real.rename(old, to: new)
        note(.renamed(old: old, new: new, kept: kept))
    }

    func unlink(_ path: String) throws(SystemCallError) {
        try check("unlink")
        let kept = keep(path)
        try real.unlink(path)
        note(.removed(path, kept: kept))
    }

    func makeDirectory(_ path: String, mode: UInt32) throws(SystemCallError) {
        try check("mkdir")
        try real.makeDirectory(path, mode: mode)
    }

    func mode(of path: String) throws(SystemCallError) -> UInt32 {
        try check("stat", changes: false)
        return try real.mode(of: path)
    }

    func entries(of path: String) throws(SystemCallError) -> [String] {
        try check("readdir", changes: false)
        return try real.entries(of: path)
    }

    func lock(_ descriptor: Int32, exclusive: Bool, wait: Bool) throws(SystemCallError) -> Bool {
        try check("flock", changes: false)
        return try real.lock(descriptor, exclusive: exclusive, wait: wait)
    }

    func map(_ descriptor: Int32, length: Int) throws(SystemCallError) -> UnsafeRawPointer {
        try check("mmap", changes: false)
        return try real.map(descriptor, length: length)
    }

    func unmap(_ pointer: UnsafeRawPointer, length: Int) { real.unmap(pointer, length: length) }

    // MARK: The power cut

    private func note(_ change: NameChange) {
        if graveyard != nil { state.withLock { $0.names.append(change) } }
    }

    private func keep(_ path: String) -> String? {
        guard let graveyard else { return nil }
        let number = state.withLock { state in
            state.saved += 1
            return state.saved
        }
        let kept = "\(graveyard)/\(number)"
        return Glibc.link(path, kept) == 0 ? kept : nil
    }

    private func inode(_ descriptor: Int32) -> UInt64 {
        var status = stat()
        fstat(descriptor, &status)
        return UInt64(status.st_ino)
    }

    private func noteDirty(_ descriptor: Int32) {
        guard graveyard != nil else { return }
        let inode = inode(descriptor)
        state.withLock { state in
            guard state.dirty[inode] == nil else { return }
            // Not `dup`: that would share the lock of a lease.
            state.dirty[inode] = try? real.open("/proc/self/fd/\(descriptor)", flags: O_RDWR, mode: 0)
        }
    }

    /// Loses about half of what was not synced: bytes of files, and names.
    func cutPower(_ random: inout Random) {
        let (names, dirty) = state.withLock { state in
            defer {
                state.names = []
                state.dirty = [:]
            }
            return (state.names, state.dirty)
        }
        for descriptor in dirty.values {
            if Bool.random(using: &random) {
                let size = (try? real.size(of: descriptor)) ?? 0
                let rest = off_t(UInt64.random(in: 0...size, using: &random))
                ftruncate(descriptor, rest)
                // Some file systems keep the length and lose the bytes.
                if Bool.random(using: &random) { ftruncate(descriptor, off_t(size)) }
            }
            real.close(descriptor)
        }
        for change in names.reversed() where Bool.random(using: &random) {
            switch change {
            case .made(let path):
                Glibc.unlink(path)
            case .renamed(let old, let new, let kept):
                if Glibc.rename(new, old) == 0, let kept { _ = Glibc.link(kept, new) }
            case .removed(let path, let kept):
                if let kept { _ = Glibc.link(kept, path) }
            }
        }
    }
}
