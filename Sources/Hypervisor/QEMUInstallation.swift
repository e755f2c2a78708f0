import Foundation

/// The QEMU programs on this machine.
package struct QEMUInstallation: Sendable {
    /// The path of `qemu-system-x86_64`.
    package let system: String
    /// `qemu-img`.
    package let images: ImageTool

    package init(system: String, imageTool: String) {
        self.system = system
        self.images = ImageTool(executable: imageTool)
    }

    /// Looks for QEMU in directories, the first one first.
    ///
    /// - Throws: ``HypervisorError`` with `.qemuNotFound`.
    package static func find(
        in directories: [String] = ["/usr/local/bin", "/usr/bin"]
    ) throws(HypervisorError) -> QEMUInstallation {
        func path(_ program: String, _ package: String) throws(HypervisorError) -> String {
            for directory in directories where access("\(directory)/\(program)", X_OK) == 0 {
                return "\(directory)/\(program)"
            }
            throw HypervisorError(
                .qemuNotFound,
                "\(program) was not found in \(directories.joined(separator: ", ")). "
                    + "Install the Debian package \(package).")
        }
        return QEMUInstallation(
            system: try path("qemu-system-x86_64", "qemu-system-x86"),
            imageTool: try path("qemu-img", "qemu-utils"))
    }

    /// Starts a QEMU whose guest does not run, asks it something over QMP and ends it.
    ///
    /// - Parameters:
    ///   - accelerator: CPU definitions depend on it.
    ///   - machine: a machine type; there is no machine without one.
    ///   - cpu: the argument of `-cpu`, for a machine.
    ///   - scratch: where a temporary directory with the socket is made.
    package func ask<Result: Sendable>(
        accelerator: LaunchOptions.Accelerator = .tcg, machine: String = "none", cpu: String? = nil,
        scratch: String = "/tmp", _ question: (QEMUMonitor) async throws -> Result
    ) async throws -> Result {
        let directory = try ScratchDirectory(under: scratch)
        let socket = directory.path + "/qmp.sock"
        let log = LogFile(path: directory.path + "/stderr.log")
        let child = try await ChildProcess.spawn(
            SpawnRequest(
                executable: system,
                arguments: [
                    "-machine", "\(machine),accel=\(accelerator.rawValue)", "-nodefaults", "-no-user-config",
                    "-display",
                    "none", "-S", "-chardev",
                    "socket,id=qmp,path=\(QEMUCommandLine.escaped(socket)),server=on,wait=off",
                    "-mon", "chardev=qmp,mode=control",
                ] + (cpu.map { ["-cpu", $0] } ?? []),
                errors: .file(log.path)
            ).dyingWithParent())
        defer { child.signal(SIGKILL) }
        let client = try await QEMUProcess.connect(toSocket: socket, child: child, log: log, timeout: .seconds(30))
        let monitor = QEMUMonitor(
            client: client, configuration: MachineConfiguration(machine: machine, cpu: cpu ?? "none", memoryMiB: 1))
        do {
            let result = try await question(monitor)
            await client.close()
            return result
        } catch {
            await client.close()
            throw error
        }
    }

    /// The versioned name of a machine type: `pc` becomes, for example, `pc-i440fx-7.2`. Snapshots store this name,
    /// because the alias means another machine in the next QEMU.
    ///
    /// - Throws: ``HypervisorError`` with `.invalidConfiguration` for an unknown type.
    package func resolveMachine(_ name: String, scratch: String = "/tmp") async throws -> String {
        let machines = try await ask(scratch: scratch) { try await $0.machines() }
        guard let machine = machines.first(where: { $0.name == name || $0.alias == name }) else {
            let known = machines.compactMap(\.alias).sorted().joined(separator: ", ")
            throw HypervisorError(
                .invalidConfiguration,
                "This QEMU has no machine type '\(name)'. Use \(known), or a versioned name that "
                    + "'\(system) -machine help' lists.")
        }
        return machine.name
    }
}
