import Foundation
import Hypervisor
import Synchronization
import Testing

/// What a test with a real QEMU needs: a place, the programs, a guest. QEMU runs with TCG and 32 MiB.
final class Laboratory: Sendable {
    let directory: TemporaryDirectory
    let installation: QEMUInstallation
    let kernel: String
    /// The processes of NBD servers.
    private let servers = Mutex<[Int32]>([])

    /// Sets up a laboratory for a piece of work; afterwards its servers are stopped and its files removed.
    static func with(_ body: (Laboratory) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            let laboratory = try Laboratory(directory)
            defer { laboratory.servers.withLock { for server in $0 { kill(server, SIGKILL) } } }
            try await body(laboratory)
        }
    }

    private init(_ directory: TemporaryDirectory) throws {
        self.directory = directory
        installation = try QEMUInstallation.find()
        kernel = try directory.file("kernel", TestGuest.kernel)
    }

    var runs: String { directory.path + "/runs" }

    /// A machine that boots ``TestGuest/kernel``.
    static let kernelMachine = MachineConfiguration(
        machine: "pc-i440fx-7.2", cpu: "qemu64", memoryMiB: 32,
        boot: .init(hasInitialRamdisk: false, commandLine: "console=ttyS0"))
    /// A machine that boots from its disk.
    static let diskMachine = MachineConfiguration(
        machine: "pc-q35-7.2", cpu: "qemu64", memoryMiB: 32, diskCount: 1)

    func newRun(_ name: String = "vm") throws -> RunDirectory {
        try RunDirectory.create(under: runs, name: name, purpose: "test", exclusive: false)
    }

    /// Starts the kernel guest.
    func startKernelGuest(
        in run: RunDirectory, _ start: LaunchOptions.Start = .boot, hasKernel: Bool = true,
        configuration: MachineConfiguration = Laboratory.kernelMachine, memory: LaunchOptions.Memory = .anonymous
    ) async throws -> QEMUProcess {
        let options = LaunchOptions(
            start: start, bootFiles: hasKernel ? .init(kernel: kernel) : nil, memory: memory)
        return try await QEMUProcess.launch(configuration, options: options, in: run, using: installation)
    }

    /// Starts the disk guest on a read-only NBD export of its disk.
    func startDiskGuest(in run: RunDirectory, _ start: LaunchOptions.Start = .boot) async throws -> QEMUProcess {
        let image = try directory.file("disk-\(run.record.id).raw", TestGuest.disk)
        try await serve(image, on: run.paths.exportSocket)
        let base = LaunchOptions.DiskBase.nbd(
            socket: run.paths.exportSocket, export: "base", size: UInt64(TestGuest.disk.count))
        return try await QEMUProcess.launch(
            Self.diskMachine, options: LaunchOptions(start: start, diskBases: [base]), in: run, using: installation)
    }

    /// Serves a raw image read-only over NBD until the test ends.
    private func serve(_ image: String, on socket: String) async throws {
        let server = Process()
        server.executableURL = URL(fileURLWithPath: "/usr/bin/qemu-nbd")
        server.arguments = ["-r", "-t", "-f", "raw", "-x", "base", "-k", socket, image]
        try server.run()
        servers.withLock { $0.append(server.processIdentifier) }
        for _ in 0..<2_000 where !FileManager.default.fileExists(atPath: socket) {
            try await Task.sleep(for: .milliseconds(5))
        }
        try #require(FileManager.default.fileExists(atPath: socket))
    }
}

/// The error that a piece of work throws.
func hypervisorError(_ work: () async throws -> Void) async throws -> HypervisorError {
    do {
        try await work()
    } catch let error as HypervisorError {
        return error
    }
    Issue.record("no error was thrown")
    throw CancellationError()
}

/// The letters after `tick ` in a console log.
func ticks(_ console: String) -> [Character] {
    console.split(separator: "\n").compactMap { $0.hasPrefix("tick ") && $0.count == 6 ? $0.last : nil }
}
