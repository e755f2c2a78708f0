import Glibc

extension StoreError {
    /// The error of a failed system call, with what the user can do about it.
    init(_ failure: SystemCallError, _ action: String, path: String) {
        let code: Code
        let message: String
        switch failure.number {
        case ENOSPC, EDQUOT:
            code = .noSpace
            message = "\(action): the file system is full; free some space and try again, nothing stored is lost"
        case ENOENT:
            code = .notFound
            message = "\(action): there is no such file; check the path, and whether somebody moved or deleted it"
        case EACCES, EPERM:
            code = .permission
            message = "\(action): permission denied; check the owner and mode of the store's directory"
        case EROFS:
            code = .permission
            message = "\(action): the file system is mounted read-only; mount it for writing, or use a store elsewhere"
        case EEXIST:
            code = .exists
            message = "\(action): it exists already; remove it, or choose another name"
        case EMFILE, ENFILE:
            code = .io
            message = "\(action): too many open files; raise the limit with ulimit -n"
        case EIO:
            code = .io
            message = "\(action): the disk reports an error; check it (dmesg, smartctl) before going on"
        default:
            code = .io
            message = "\(action) failed; the cause says why, and `dmesg` may say more"
        }
        let text = strerror(failure.number).map { String(cString: $0) } ?? "error \(failure.number)"
        self.init(code, message, path: path, cause: "\(failure.call): \(text)")
    }
}

/// Runs system calls, giving their failures a place and an action.
func calling<Result>(
    _ action: @autoclosure () -> String, path: String, _ body: () throws(SystemCallError) -> Result
) throws(StoreError) -> Result {
    do {
        return try body()
    } catch {
        throw StoreError(error, action(), path: path)
    }
}

/// The names in a directory that every store has.
func storeEntries(
    of directory: String, in fileSystem: any FileSystem
) throws(StoreError) -> [String] {
    do {
        return try fileSystem.entries(of: directory)
    } catch {
        guard error.number == ENOENT || error.number == ENOTDIR else {
            throw StoreError(error, "listing a directory of the store", path: directory)
        }
        throw StoreError(
            .notFound,
            "the store is not here any more: it was moved or deleted while it was in use; open it where it is now",
            path: directory)
    }
}
