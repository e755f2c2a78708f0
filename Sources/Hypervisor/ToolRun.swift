import Foundation

/// Runs a helper program to its end and collects what it prints.
struct ToolRun: Sendable {
    let exit: ProcessExit
    let output: [UInt8]
    let errors: String

    /// - Parameters:
    ///   - scratch: a directory for the output while the program runs.
    ///   - limit: the program is killed after this time.
    /// - Throws: ``HypervisorError``: `.qemuNotFound`, `.timeout`; `CancellationError`.
    static func run(
        _ executable: String, _ arguments: [String], scratch: String, limit: Duration = .seconds(60)
    ) async throws -> ToolRun {
        let output = try FileDescriptor(temporaryFileIn: scratch)
        let errors = try FileDescriptor(temporaryFileIn: scratch)
        let child = try await ChildProcess.spawn(
            SpawnRequest(
                executable: executable, arguments: arguments, output: .descriptor(output.raw),
                errors: .descriptor(errors.raw)))
        guard let exit = await child.waitForExit(within: limit) else {
            child.signal(SIGKILL)
            try Task.checkCancellation()
            throw HypervisorError(.timeout, "\(executable) did not end within \(limit) and was stopped.")
        }
        lseek(output.raw, 0, SEEK_SET)
        lseek(errors.raw, 0, SEEK_SET)
        return ToolRun(
            exit: exit, output: try output.readAll(limit: 16 << 20),
            errors: String(decoding: try errors.readAll(limit: 65_536), as: UTF8.self))
    }
}
