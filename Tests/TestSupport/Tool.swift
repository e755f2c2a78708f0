import Foundation
import Glibc

/// Runs the programs that the tests compare with.
///
/// By `posix_spawn`, because Foundation's `Process` hands its own descriptors and signal mask to what it starts.
package enum Tool {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    /// Runs a program from `PATH` to its end; returns what it printed on both outputs.
    ///
    /// - Throws: ``Failure`` with the output when the program is missing or fails.
    @discardableResult
    package static func run(_ program: String, _ arguments: [String], in directory: String? = nil) throws -> String {
        let output = FileManager.default.temporaryDirectory.appendingPathComponent("out-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: output) }
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let command = directory.map { ["env", "-C", $0, program] } ?? [program]
        let words = (command + arguments).map { strdup($0) }
        defer { for text in words { free(text) } }
        var id: pid_t = 0
        let error = posix_spawnp(&id, command[0], &actions, &attributes, words + [nil], environ)
        guard error == 0 else {
            throw Failure(description: "\(program) cannot be started: \(String(cString: strerror(error)))")
        }
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0 && errno == EINTR {}
        let text = (try? String(contentsOf: output, encoding: .utf8)) ?? ""
        guard status == 0 else {
            throw Failure(description: "\(program) \(arguments.joined(separator: " ")) failed (\(status)): \(text)")
        }
        return text
    }
}
