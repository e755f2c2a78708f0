import Foundation

extension QEMUProcess {
    /// Creates the overlays, starts QEMU in the run directory and connects to its monitor.
    ///
    /// - Parameters:
    ///   - installation: the QEMU to run.
    ///   - run: a fresh run directory.
    ///   - timeout: until QEMU's monitor answers.
    /// - Throws: ``HypervisorError``: `.qemuFailed` with QEMU's stderr, `.invalidConfiguration`, `.timeout`, `.io`.
    package static func launch(
        _ configuration: MachineConfiguration, options: LaunchOptions, in run: RunDirectory,
        using installation: QEMUInstallation, timeout: Duration = .seconds(30)
    ) async throws -> QEMUProcess {
        let paths = run.paths
        let commandLine = try QEMUCommandLine(
            executable: installation.system, name: run.record.name, configuration: configuration, options: options,
            paths: paths)
        try ImageTool.createOverlay(at: paths.machineStateImage, on: .empty(size: 1 << 20))
        for (disk, base) in zip(configuration.disks, options.diskBases) {
            try ImageTool.createOverlay(at: paths.overlay(of: disk), on: base)
        }
        if configuration.boot != nil, options.bootFiles == nil {
            try RunFiles.write(text: Data(PlaceholderKernel.bytes), to: paths.placeholderKernel)
        }
        try RunFiles.write(text: Data(("#!/bin/sh\nexec " + commandLine.shellText).utf8), to: paths.commandFile)

        let isInteractive = options.console == .interactive
        let terminal = isInteractive ? TerminalState() : nil
        let child = try await ChildProcess.spawn(
            SpawnRequest(
                executable: commandLine.executable, arguments: commandLine.arguments,
                input: isInteractive ? .descriptor(STDIN_FILENO) : .null,
                output: isInteractive ? .descriptor(STDOUT_FILENO) : .null, errors: .file(paths.errorLog),
                inherited: [run.lockDescriptor] + (options.memory.file.map { [$0.descriptor] } ?? []),
                hasOwnGroup: !isInteractive
            ).dyingWithParent())
        do {
            let client = try await connect(
                toSocket: paths.monitorSocket, child: child, log: LogFile(path: paths.errorLog), timeout: timeout)
            try run.update { record in
                record.configuration = configuration
                record.commandLine = commandLine
                record.accelerator = options.accelerator
                record.qemuProcess = child.id
            }
            return QEMUProcess(
                run: run, configuration: configuration, options: options, commandLine: commandLine,
                monitor: QEMUMonitor(client: client, configuration: configuration), child: child,
                images: installation.images, terminal: terminal)
        } catch {
            child.signal(SIGKILL)
            // A task of its own, because this one may be cancelled.
            let exit = await Task { await child.waitForExit() }.value ?? .signal(SIGKILL)
            terminal?.restore()
            let result = RunResult(
                exit: exit, endedAt: RunFiles.now(), standardError: LogFile(path: paths.errorLog).tail(), snapshots: [])
            // The first error is the one to report.
            try? RunFiles.write(result, to: paths.resultFile)
            throw error
        }
    }

    /// Runs QEMU for the duration of a piece of work: it is ended when the work returns, throws or is cancelled.
    package static func with<Result: Sendable>(
        _ configuration: MachineConfiguration, options: LaunchOptions, in run: RunDirectory,
        using installation: QEMUInstallation, _ body: (QEMUProcess) async throws -> Result
    ) async throws -> Result {
        let process = try await launch(configuration, options: options, in: run, using: installation)
        do {
            let result = try await body(process)
            await process.quit()
            return result
        } catch {
            await process.quit()
            throw error
        }
    }

    /// Connects to the monitor of a QEMU that has just been started, as soon as it listens.
    static func connect(
        toSocket path: String, child: ChildProcess, log: LogFile, timeout: Duration
    ) async throws -> QMPClient {
        let deadline = ContinuousClock.now + timeout
        while true {
            if let exit = child.exit { throw endedEarly(exit, while: "at its start", log: log) }
            if access(path, F_OK) == 0 {
                do {
                    return try await QMPClient.connect(toSocket: path, timeout: timeout)
                } catch let error as HypervisorError {
                    // The socket file appears before QEMU listens on it; and QEMU may end in between.
                    switch error.code {
                    case .io(ECONNREFUSED), .io(ENOENT): break
                    case .disconnected:
                        if let exit = await child.waitForExit(within: .seconds(2)) {
                            throw endedEarly(exit, while: "at its start", log: log)
                        }
                        throw error
                    default: throw error
                    }
                }
            }
            guard ContinuousClock.now < deadline else {
                throw HypervisorError(
                    .timeout, "QEMU did not open its monitor \(path) within \(timeout).", cause: log.lastLines())
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}
