import Glibc
import Synchronization

/// A file that has no name until it is whole; without a name it disappears with its owner.
///
/// Several threads may write different parts at once.
final class NewFile: Sendable {
    /// The name that the file is to have.
    let path: String
    private let replaces: Bool
    private let calls: any OutputFileCalls
    private let descriptor: FileDescriptor
    /// The name it has for now, on a file system without unnamed files.
    private let temporaryName: Mutex<String?>

    /// `O_TMPFILE`, whose definition in C is an expression that is not imported.
    private static let unnamed: Int32 = 0o20_000_000 | O_DIRECTORY

    /// Makes an empty file next to `path`.
    ///
    /// - Parameter replaces: An existing regular file of that name is replaced at the end.
    /// - Throws: `.exists`, `.cannotCreate`, `.noSpace`.
    init(path: String, replaces: Bool, calls: any OutputFileCalls) throws(DiskImageError) {
        try Self.checkTarget(path, replaces: replaces)
        self.path = path
        self.replaces = replaces
        self.calls = calls
        let directory = Self.directory(of: path)
        let raw: Int32
        var name: String?
        do throws(OutputCallError) {
            do throws(OutputCallError) {
                raw = try calls.open(directory, flags: O_RDWR | Self.unnamed, mode: 0o644)
            } catch {
                guard [EOPNOTSUPP, EISDIR, EINVAL].contains(error.number) else { throw error }
                let temporary = Self.temporaryName(for: path)
                raw = try calls.open(temporary, flags: O_RDWR | O_CREAT | O_EXCL, mode: 0o644)
                name = temporary
            }
        } catch {
            throw Self.failure(error, "a file cannot be made in \(directory)", path: path, code: .cannotCreate)
        }
        descriptor = FileDescriptor(raw: raw)
        temporaryName = Mutex(name)
    }

    deinit {
        if let name = temporaryName.withLock({ $0 }) { try? calls.unlink(name) }
    }

    /// Writes all of `bytes`.
    ///
    /// - Throws: `.noSpace`, `.io`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(DiskImageError) {
        var done = 0
        while done < bytes.count {
            do throws(OutputCallError) {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
                let count = try calls.write(descriptor.raw, rest, at: offset + UInt64(done))
                guard count > 0 else { throw OutputCallError(ENOSPC) }
                done += count
            } catch {
                throw Self.failure(error, "writing stopped at byte \(offset + UInt64(done))", path: path)
            }
        }
    }

    /// Writes 64-bit words, big-endian.
    func write(words: [UInt64], at offset: UInt64) throws(DiskImageError) {
        var failure: DiskImageError?
        words.map(\.bigEndian).withUnsafeBytes { bytes in
            do throws(DiskImageError) { try write(bytes, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Writes the bytes of an array.
    func write(_ array: [UInt8], at offset: UInt64) throws(DiskImageError) {
        var failure: DiskImageError?
        array.withUnsafeBytes { bytes in
            do throws(DiskImageError) { try write(bytes, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Reads back what was written; what lies behind the end is zeros.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        var done = 0
        while done < buffer.count {
            let count = pread(
                descriptor.raw, buffer.baseAddress?.advanced(by: done), buffer.count - done,
                off_t(clamping: offset + UInt64(done)))
            if count > 0 {
                done += count
            } else if count == 0 {
                buffer.slice(done, buffer.count - done).zero()
                return
            } else if errno != EINTR {
                throw DiskImageError(
                    .io, "cannot read back what was written for \(path); check the disk, or choose another place",
                    cause: Self.text(of: errno))
            }
        }
    }

    /// Sets the size; what was not written reads as zeros.
    func resize(to size: UInt64) throws(DiskImageError) {
        do throws(OutputCallError) { try calls.truncate(descriptor.raw, to: size) } catch {
            throw Self.failure(error, "it cannot get a size of \(size) bytes", path: path)
        }
    }

    /// Waits until everything written is on the disk.
    func synchronize() throws(DiskImageError) {
        do throws(OutputCallError) { try calls.synchronize(descriptor.raw) } catch {
            throw Self.failure(error, "what was written did not reach the disk", path: path)
        }
    }

    /// Gives the file its name, durably.
    ///
    /// - Throws: `.exists` when somebody else took the name meanwhile.
    func publish() throws(DiskImageError) {
        do throws(OutputCallError) {
            let source = temporaryName.withLock { $0 } ?? "/proc/self/fd/\(descriptor.raw)"
            if !replaces {
                try calls.link(source, as: path)
                // A first name that stays is untidy, but no reason to fail.
                if let name = temporaryName.withLock({ $0 }) { try? calls.unlink(name) }
            } else {
                var name = source
                if temporaryName.withLock({ $0 }) == nil {
                    name = Self.temporaryName(for: path)
                    try calls.link(source, as: name)
                    temporaryName.withLock { $0 = name }
                }
                try calls.rename(name, to: path)
            }
            temporaryName.withLock { $0 = nil }
        } catch {
            if error.number == EEXIST { throw Self.exists(path) }
            throw Self.failure(error, "the finished file cannot get its name", path: path, code: .cannotCreate)
        }
        // The name is there; if the directory cannot be synchronised, a power failure may lose it.
        let directory = Self.directory(of: path)
        do throws(OutputCallError) {
            let raw = FileDescriptor(raw: try calls.open(directory, flags: O_RDONLY | O_DIRECTORY, mode: 0))
            try calls.synchronize(raw.raw)
        } catch {
            throw DiskImageError(
                Self.roomErrors.contains(error.number) ? .noSpace : .io,
                "\(path) is whole and stays, but a power failure may lose its name; check the disk, or write it to another place",
                cause: Self.text(of: error.number))
        }
    }

    private static func checkTarget(_ path: String, replaces: Bool) throws(DiskImageError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard replaces else { throw exists(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw DiskImageError(
                .cannotCreate, "\(path) is no regular file, so it is not replaced; give the name of an image file")
        }
    }

    private static func exists(_ path: String) -> DiskImageError {
        DiskImageError(.exists, "\(path) exists; give another name, or ask for the file to be replaced")
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func temporaryName(for path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? "image"
        let random = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        // File names end at 255 bytes.
        return "\(directory(of: path))/.\(name.prefix(60)).\(random).partial"
    }

    private static func text(of number: Int32) -> String { String(cString: strerror(number)) }

    private static let roomErrors = [ENOSPC, EDQUOT, EFBIG]

    private static func failure(
        _ error: OutputCallError, _ what: String, path: String, code: DiskImageError.Code = .io
    ) -> DiskImageError {
        if roomErrors.contains(error.number) {
            return DiskImageError(
                .noSpace,
                "there is no room to write \(path): \(what), and what was written is removed; "
                    + "free some space, or choose another place or a compressed format", cause: text(of: error.number))
        }
        return DiskImageError(
            code, "cannot write \(path): \(what); check the path, its permissions and the disk",
            cause: text(of: error.number))
    }
}
