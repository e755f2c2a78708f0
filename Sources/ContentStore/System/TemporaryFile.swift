import Glibc

/// A file without a name that readers know, to be given one when it is whole.
///
/// It is unnamed where the file system can do that, and else has a name in `tmp/`. What is never published disappears with
/// its owner.
struct TemporaryFile: ~Copyable {
    let descriptor: FileDescriptor
    /// The name it has in `tmp/`, if it has one.
    private(set) var name: String?

    /// Makes an empty file.
    /// - Parameters:
    ///   - name: its path in `tmp/`, should it need one.
    ///   - mode: its permissions, less the umask.
    init(
        named path: String, in directory: String, mode: UInt32, fileSystem: any FileSystem
    ) throws(StoreError) {
        do throws(StoreError) {
            descriptor = try FileDescriptor(
                directory, flags: O_RDWR | TemporaryFile.unnamed, mode: mode, in: fileSystem, "making a file")
            name = nil
        } catch {
            // EOPNOTSUPP, EISDIR, EINVAL, ENOENT: no unnamed files here.
            guard error.code != .noSpace, error.code != .permission else { throw error }
            descriptor = try FileDescriptor(
                path, flags: O_RDWR | O_CREAT | O_EXCL, mode: mode, in: fileSystem, "making a file")
            name = path
        }
    }

    deinit {
        if let name { try? descriptor.fileSystem.unlink(name) }
    }

    /// `O_TMPFILE`, whose definition in C is an expression that is not imported.
    private static let unnamed: Int32 = 0o20_000_000 | O_DIRECTORY

    /// Gives the file its name; one that has it already is replaced.
    ///
    /// - Parameter spare: a path in `tmp/` for the moment between linking and replacing.
    mutating func publish(as path: String, spare: String) throws(StoreError) {
        let fileSystem = descriptor.fileSystem
        if let temporary = name {
            try calling("naming a file", path: path) { () throws(SystemCallError) in
                try fileSystem.rename(temporary, to: path)
            }
            name = nil
            return
        }
        do {
            try fileSystem.link(descriptor.raw, as: path)
        } catch {
            guard error.number == EEXIST else { throw StoreError(error, "naming a file", path: path) }
            // Files named by their digest are equal; replacing heals one that was damaged.
            let raw = descriptor.raw
            try calling("naming a file", path: spare) { () throws(SystemCallError) in
                try fileSystem.link(raw, as: spare)
            }
            do {
                try fileSystem.rename(spare, to: path)
            } catch {
                try? fileSystem.unlink(spare)
                throw StoreError(error, "naming a file", path: path)
            }
        }
    }
}
