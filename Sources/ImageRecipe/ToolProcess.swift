import Glibc

/// glibc's function, hidden from Swift (_GNU_SOURCE): the child closes all descriptors from this number on.
@_silgen_name("posix_spawn_file_actions_addclosefrom_np")
private func addCloseFrom(_ actions: UnsafeMutablePointer<posix_spawn_file_actions_t>, _ first: Int32) -> Int32

/// A child process whose standard streams are files, and which inherits no other descriptor.
///
/// Descriptors that this process itself inherited, or that a library opened, stay open in children otherwise. mmdebstrap then gets
/// pipes with numbers of two digits, which the shell that it starts cannot redirect to.
///
/// Foundation's `Process` is not used, because the child inherits the signal mask of the thread that starts it: on a
/// thread of the concurrency runtime, SIGTERM, SIGINT and SIGALRM are blocked, and the child could not be interrupted.
struct ToolProcess {
    let path: String
    /// With the program's name as the first.
    let arguments: [String]
    /// `NAME=value`.
    let environment: [String]
    let directory: String?
    let input: String
    let output: String
    let errors: String

    /// An error number of the system.
    struct SystemError: Error {
        let number: Int32

        var text: String { String(cString: strerror(number)) }
    }

    /// Runs to the end.
    ///
    /// - Parameter meanwhile: called five times a second and at the end. With it, the program is asked to end (SIGTERM)
    ///   once the task is cancelled.
    /// - Returns: the exit status, or minus the number of the signal that ended it.
    func run(meanwhile: (() -> Void)? = nil) -> Result<Int32, SystemError> {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        let create = O_WRONLY | O_CREAT | O_TRUNC
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, create, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, create, 0o600)
        let failedAction = addCloseFrom(&actions, STDERR_FILENO + 1)
        guard failedAction == 0 else { return .failure(SystemError(number: failedAction)) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        // posix_spawn's own way to change the directory is hidden from Swift (_GNU_SOURCE).
        let program = directory == nil ? path : "/bin/sh"
        let words = directory.map { ["sh", "-c", "cd \"$0\" && exec \"$@\"", $0] + arguments } ?? arguments
        var child: pid_t = 0
        let failure = Self.withCStrings(words) { arguments in
            Self.withCStrings(environment) { environment in
                posix_spawn(&child, program, &actions, &attributes, arguments, environment)
            }
        }
        guard failure == 0 else { return .failure(SystemError(number: failure)) }
        var status: Int32 = 0
        var isAsked = false
        while true {
            let result = waitpid(child, &status, meanwhile == nil ? 0 : WNOHANG)
            if result == child { break }
            if result < 0, errno != EINTR { return .failure(SystemError(number: errno)) }
            guard result == 0, let meanwhile else { continue }
            meanwhile()
            if Task.isCancelled, !isAsked {
                isAsked = true
                kill(child, SIGTERM)
            }
            usleep(200_000)
        }
        meanwhile?()
        // The layout of wait(2): the low seven bits are the signal, the next byte the exit status.
        let signal = status & 0x7F
        return .success(signal == 0 ? (status >> 8) & 0xFF : -signal)
    }

    /// Calls `body` with a NULL-terminated array of C strings, which live as long as the call.
    private static func withCStrings<Value>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Value
    ) -> Value {
        var pointers = strings.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        pointers.append(nil)
        return body(pointers)
    }
}
