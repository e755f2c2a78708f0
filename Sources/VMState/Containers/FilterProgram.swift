import Glibc

/// A program that packs or unpacks what goes through it, such as `gzip -dc`.
///
/// It is a child of this process with a socket at one end and a file at the other, and is killed when it is let go of. (A
/// socket, because a pair of them is closed for other children from the beginning, which a pipe's ends are not.)
struct FilterProgram: ~Copyable {
    /// What it writes to its standard error.
    private let errors: Int32
    private let id: pid_t
    private let name: String
    /// This process's end.
    private let socket: Int32
    private var isReaped = false

    /// Starts it to unpack: it reads `input` from its current position, ``read(into:)`` gives what comes out.
    static func unpacking(
        _ compression: LibvirtSaveHeader.Compression, from input: Int32
    ) throws(VMStateError) -> FilterProgram {
        try start(compression, ["-dc"], file: input, reads: true)
    }

    /// Starts it to pack: it reads what ``write(_:)`` gives it, and writes to `output`.
    static func packing(
        _ compression: LibvirtSaveHeader.Compression, to output: Int32
    ) throws(VMStateError) -> FilterProgram {
        try start(compression, ["-c"], file: output, reads: false)
    }

    private init(errors: Int32, id: pid_t, name: String, socket: Int32) {
        self.errors = errors
        self.id = id
        self.name = name
        self.socket = socket
    }

    private static func start(
        _ compression: LibvirtSaveHeader.Compression, _ arguments: [String], file: Int32, reads: Bool
    ) throws(VMStateError) -> FilterProgram {
        guard let program = compression.program else {
            throw VMStateError(.unsupported, "no program packs the format \(compression.name)")
        }
        guard let path = find(program) else {
            throw VMStateError(
                .io,
                "the program '\(program)' is missing, which the file is packed with; install the package "
                    + "'\(compression.package)'")
        }
        let errors = try temporaryFile(in: "/tmp")
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            let cause = systemErrorText(errno)
            close(errors)
            throw VMStateError(.io, "cannot make a pair of sockets", cause: cause)
        }
        var id: pid_t = 0
        let status = spawn(
            path, [program] + arguments, input: reads ? file : ends[1], output: reads ? ends[1] : file, errors: errors,
            &id)
        close(ends[1])
        guard status == 0 else {
            close(ends[0])
            close(errors)
            throw VMStateError(.io, "cannot start '\(path)'", cause: systemErrorText(status))
        }
        return FilterProgram(errors: errors, id: id, name: program, socket: ends[0])
    }

    deinit {
        close(socket)
        if !isReaped {
            kill(id, SIGKILL)
            var status: Int32 = 0
            while waitpid(id, &status, 0) < 0, errno == EINTR {}
        }
        close(errors)
    }

    /// The next bytes that come out; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(VMStateError) -> Int {
        while true {
            let count = Glibc.read(socket, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            if errno != EINTR {
                throw VMStateError(.io, "cannot read what '\(name)' unpacks", cause: systemErrorText(errno))
            }
        }
    }

    /// Gives it bytes. SIGPIPE is ignored for the time: a program that has ended is the error EPIPE.
    func write(_ bytes: UnsafeRawBufferPointer) throws(VMStateError) {
        var output = DescriptorByteOutput(descriptor: socket, name: name)
        do throws(VMStateError) {
            try output.write(bytes)
        } catch {
            throw VMStateError(.io, "'\(name)' does not take the stream", cause: words.isEmpty ? "\(error)" : words)
        }
    }

    /// Waits for its end, with success.
    ///
    /// - Throws: `malformed` with the program's words when it complained: for an unpacker that means damaged input.
    consuming func finish() throws(VMStateError) {
        // A packer ends when its input does.
        shutdown(socket, Int32(SHUT_WR))
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0 {
            if errno != EINTR { break }
        }
        isReaped = true
        guard status == 0 else {
            throw VMStateError(.malformed, "'\(name)' failed; the packed stream is damaged", cause: words)
        }
    }

    /// The end of its error output.
    private var words: String {
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = bytes.withUnsafeMutableBytes { pread(errors, $0.baseAddress, $0.count, 0) }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
            .split(separator: "\n").joined(separator: "; ")
    }

    private static func find(_ program: String) -> String? {
        ["/usr/local/bin/", "/usr/bin/", "/bin/"].map { $0 + program }.first { access($0, X_OK) == 0 }
    }

    private static func spawn(
        _ path: String, _ words: [String], input: Int32, output: Int32, errors: Int32, _ id: inout pid_t
    ) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
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
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        return posix_spawn(&id, path, &actions, &attributes, arguments + [nil], environ)
    }
}

/// A file without a name, open for reading and writing.
func temporaryFile(in directory: String) throws(VMStateError) -> Int32 {
    while true {
        let path = "\(directory)/stemma-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            unlink(path)
            return descriptor
        }
        guard errno == EEXIST else {
            throw VMStateError(
                .io, "cannot make a temporary file; check the rights and the free space", file: directory,
                cause: systemErrorText(errno))
        }
    }
}
