import Glibc

/// A `qemu-nbd` that serves one image to connections that were made before it began.
///
/// It inherits a listening socket whose name is gone already (socket activation, as of systemd), so nobody else can connect. It ends when
/// its last client has gone: it cannot outlive this process, however that ends.
final class QemuNBDServer: Sendable {
    /// What it writes to its standard error, in a file without a name.
    private let errors: FileDescriptor
    private let id: pid_t

    private init(errors: consuming FileDescriptor, id: pid_t) {
        self.errors = errors
        self.id = id
    }

    deinit {
        // It only reads. A process number is ours until it is waited for.
        kill(id, SIGKILL)
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0, errno == EINTR {}
    }

    /// Starts it.
    ///
    /// - Parameters:
    ///   - image: What is served, as `qemu-nbd` takes it.
    ///   - connections: How many sockets to connect.
    /// - Returns: The server and the connected sockets, which the caller owns.
    /// - Throws: `.toolFailed`. That the image cannot be opened shows when the sockets are used.
    static func start(
        image: String, connections: Int
    ) throws(DiskImageError) -> (server: QemuNBDServer, sockets: [Int32]) {
        let directory = try makePrivateDirectory()
        defer { rmdir(directory) }
        let errorsPath = "\(directory)/errors"
        let errors = try FileDescriptor(
            raw: checked(open(errorsPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600), "make a file for its errors"))
        unlink(errorsPath)

        let listener = try FileDescriptor(raw: newSocket())
        let sockets = try connect(connections, to: listener.raw, in: directory)
        do throws(DiskImageError) {
            let id = try spawn(
                ["--read-only", "--shared", "\(connections)", "--", image], listener: listener.raw, errors: errors.raw)
            return (QemuNBDServer(errors: errors, id: id), sockets)
        } catch {
            for socket in sockets { close(socket) }
            throw error
        }
    }

    /// Connects sockets by a name that is gone when this returns.
    private static func connect(
        _ count: Int, to listener: Int32, in directory: String
    ) throws(DiskImageError) -> [Int32] {
        let path = "\(directory)/nbd"
        defer { unlink(path) }
        _ = try checked(withAddress(path) { bind(listener, $0, $1) }, "bind a socket")
        _ = try checked(listen(listener, Int32(count)), "listen on a socket")
        var sockets: [Int32] = []
        do throws(DiskImageError) {
            for _ in 0..<count {
                let socket = try newSocket()
                sockets.append(socket)
                _ = try checked(withAddress(path) { Glibc.connect(socket, $0, $1) }, "connect to a socket")
            }
        } catch {
            for socket in sockets { close(socket) }
            throw error
        }
        return sockets
    }

    /// What it said so far, without its name in front.
    var words: String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { pread(errors.raw, $0.baseAddress, $0.count, 0) }
        let lines = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n")
        return lines.map { line in
            String(line.hasPrefix("qemu-nbd: ") ? line.dropFirst("qemu-nbd: ".count) : line)
        }.joined(separator: "; ")
    }

    /// Waits for its end, after which ``words`` is complete; kills it when it goes on although its clients have gone.
    func waitForEnd() {
        for _ in 0..<200 {
            var information = siginfo_t()
            if waitid(P_PID, id_t(id), &information, WEXITED | WNOWAIT | WNOHANG) != 0 { return }
            if information.si_signo != 0 { return }
            usleep(10_000)
        }
        kill(id, SIGKILL)
    }

    /// The shell only knows its own process number, which `qemu-nbd` then has, and finds the program in `PATH`.
    private static let script = "export LISTEN_FDS=1 LISTEN_PID=$$; exec qemu-nbd \"$@\""

    private static func spawn(
        _ arguments: [String], listener: Int32, errors: Int32
    ) throws(DiskImageError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, errors, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
        // The first descriptor of socket activation is number 3.
        posix_spawn_file_actions_adddup2(&actions, listener, 3)
        // Its own group keeps the terminal's Ctrl-C away; signals that this process ignores or blocks are not the child's.
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigdelset(&all, SIGKILL)
        sigdelset(&all, SIGSTOP)
        sigemptyset(&none)
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)

        let words: [UnsafeMutablePointer<CChar>?] = (["sh", "-c", script, "qemu-nbd"] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        var id: pid_t = 0
        let status = posix_spawn(&id, "/bin/sh", &actions, &attributes, words + [nil], environ)
        guard status == 0 else { throw failure("start /bin/sh", status) }
        return id
    }

    private static func makePrivateDirectory() throws(DiskImageError) -> String {
        var template = Array("/tmp/stemma-nbd-XXXXXX".utf8CString)
        // mkdtemp gives it mode 0700.
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { mkdtemp($0) != nil } ?? false
        }
        guard made else { throw failure("make a directory in /tmp", errno) }
        return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func newSocket() throws(DiskImageError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        return try checked(socket(AF_UNIX, type, 0), "make a socket")
    }

    /// The path is short: it is made in this file.
    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }

    private static func checked(_ result: Int32, _ what: String) throws(DiskImageError) -> Int32 {
        guard result >= 0 else { throw failure(what, errno) }
        return result
    }

    private static func failure(_ what: String, _ number: Int32) -> DiskImageError {
        DiskImageError(
            .toolFailed, "qemu-nbd cannot be started: it was not possible to \(what); check the rights in /tmp",
            cause: String(cString: strerror(number)))
    }
}
