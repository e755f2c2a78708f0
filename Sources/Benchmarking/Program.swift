import Foundation
import Workflow

/// A program that is run to its end and measured.
package struct Program: Sendable {
    package var path: String
    package var arguments: [String]
    package var environment: [String: String] = [:]
    /// Its standard input; nil for none.
    package var input: String?

    package init(path: String, arguments: [String], environment: [String: String] = [:], input: String? = nil) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.input = input
    }

    /// What a run took.
    package struct Usage: Sendable {
        /// From the start to the end of the process, in seconds.
        package var seconds: Double
        /// In its own code and in the kernel, with that of its children.
        package var processorSeconds: Double
        /// The largest resident set of the process, without files that are only mapped being told apart.
        package var peakBytes: UInt64
        package var status: Int32
        package var output: String
        package var errors: String
    }

    /// The words as a user would type them.
    package var text: String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return ([name] + arguments.map { $0.contains(" ") ? "'\($0)'" : $0 }).joined(separator: " ")
    }

    /// Runs it; a status other than 0 is an error.
    package func run(scratch: String) throws -> Usage {
        let usage = try runAnyway(scratch: scratch)
        guard usage.status == 0 else {
            throw WorkflowError(
                .unavailable,
                "'\(text)' failed with status \(usage.status):\n"
                    + (usage.errors.isEmpty ? usage.output : usage.errors).split(separator: "\n").suffix(10)
                    .joined(separator: "\n"))
        }
        return usage
    }

    /// Runs it, whatever its status.
    package func runAnyway(scratch: String) throws -> Usage {
        try Task.checkCancellation()
        let stem = scratch + "/" + UUID().uuidString
        defer {
            unlink(stem + ".out")
            unlink(stem + ".err")
        }
        let clock = ContinuousClock()
        let start = clock.now
        let child = try spawn(output: stem + ".out", errors: stem + ".err")
        var status: Int32 = 0
        var usage = rusage()
        while wait4(child, &status, 0, &usage) < 0 {
            guard errno == EINTR else { throw WorkflowError(.io, "'\(path)' cannot be waited for.") }
        }
        let elapsed = (clock.now - start) / .seconds(1)
        // Ctrl-C reaches the child too.
        try Task.checkCancellation()
        func content(_ path: String) -> String {
            String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data(), as: UTF8.self)
        }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return Usage(
            seconds: elapsed, processorSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            // Linux counts in KiB.
            peakBytes: UInt64(max(0, usage.ru_maxrss)) << 10,
            status: status & 0x7F == 0 ? (status >> 8) & 0xFF : -(status & 0x7F), output: content(stem + ".out"),
            errors: content(stem + ".err"))
    }

    /// Starts it.
    func spawn(output: String, errors: String) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        let create = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input ?? "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, create, 0o600)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, create, 0o600)
        // The child starts with nothing ignored or blocked: this process ignores Ctrl-C while it measures.
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        sigdelset(&all, SIGKILL)
        sigdelset(&all, SIGSTOP)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let words = ([path] + arguments).map { strdup($0) }
        let variables = environment.map { strdup("\($0.key)=\($0.value)") }
        defer { for word in words + variables { free(word) } }
        var child: pid_t = 0
        let failure = posix_spawn(&child, path, &actions, &attributes, words + [nil], variables + [nil])
        guard failure == 0 else {
            throw WorkflowError(.unavailable, "'\(path)' cannot be started: \(String(cString: strerror(failure))).")
        }
        return child
    }
}
