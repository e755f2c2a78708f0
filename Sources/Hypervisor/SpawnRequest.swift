import Glibc

/// A program to start, with what it inherits: these streams, signals in their default state, and no other descriptor,
/// because this process opens every one with `O_CLOEXEC`.
struct SpawnRequest: Sendable {
    /// What a standard stream of the child is.
    enum Stream: Sendable {
        /// /dev/null.
        case null
        /// A file, truncated.
        case file(String)
        /// A descriptor of this process, open until the child has started.
        case descriptor(Int32)
    }

    var executable: String
    var arguments: [String]
    var input: Stream = .null
    var output: Stream = .null
    var errors: Stream = .null
    /// Descriptors that the child keeps open as numbers 3 and up, for example a lock.
    var inherited: [Int32] = []
    /// Its own process group keeps the terminal's Ctrl-C away from the child.
    var hasOwnGroup = true

    /// Wraps the program so that the kernel kills it when this process dies, and so that the files and sockets that it
    /// makes belong to the user alone.
    ///
    /// `posix_spawn` cannot set PR_SET_PDEATHSIG; util-linux's `setpriv` sets it and becomes the program. Without
    /// `setpriv` the program survives a crash of this process; the run's lock still shows that it lives.
    func dyingWithParent(setpriv: String = "/usr/bin/setpriv") -> SpawnRequest {
        guard access(executable, X_OK) == 0 else { return self }
        var wrapped = self
        // The shell becomes the program, whose arguments it never looks into.
        wrapped.executable = "/bin/sh"
        wrapped.arguments = ["-c", "umask 077; exec \"$@\"", "sh"]
        if access(setpriv, X_OK) == 0 { wrapped.arguments += [setpriv, "--pdeathsig", "KILL", "--"] }
        wrapped.arguments += [executable] + arguments
        return wrapped
    }

    /// Starts it on the calling thread.
    func start() -> Result<pid_t, HypervisorError> {
        guard access(executable, X_OK) == 0 else {
            return .failure(
                HypervisorError(.qemuNotFound, "\(executable) is missing or cannot be executed. Install it."))
        }
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for (number, stream, flags) in [
            (STDIN_FILENO, input, O_RDONLY), (STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC),
            (STDERR_FILENO, errors, O_WRONLY | O_CREAT | O_TRUNC),
        ] {
            switch stream {
            case .null: posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_RDWR, 0)
            case .file(let path): posix_spawn_file_actions_addopen(&actions, number, path, flags, 0o600)
            case .descriptor(let other): posix_spawn_file_actions_adddup2(&actions, other, number)
            }
        }
        // From numbers out of the way, so that none is overwritten before it has been given its new one.
        let kept = inherited.map { fcntl($0, F_DUPFD_CLOEXEC, 64) }
        defer { for descriptor in kept where descriptor >= 0 { close(descriptor) } }
        for (index, descriptor) in kept.enumerated() {
            guard descriptor >= 0 else { return .failure(.system("pass a descriptor to \(executable)")) }
            posix_spawn_file_actions_adddup2(&actions, descriptor, 3 + Int32(index))
        }

        var flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
        if hasOwnGroup { flags |= POSIX_SPAWN_SETPGROUP }
        posix_spawnattr_setflags(&attributes, Int16(truncatingIfNeeded: flags))
        posix_spawnattr_setpgroup(&attributes, 0)
        // Ignored signals stay ignored across exec, and this process ignores some (SIGPIPE, SIGINT).
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigdelset(&all, SIGKILL)
        sigdelset(&all, SIGSTOP)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)

        let words = ([executable] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        var id: pid_t = 0
        let status = posix_spawn(&id, executable, &actions, &attributes, words + [nil], environ)
        guard status == 0 else { return .failure(.system("start \(executable)", errno: status)) }
        return .success(id)
    }
}
