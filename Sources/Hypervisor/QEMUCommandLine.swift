/// Builds the arguments of `qemu-system-x86_64` for a configuration, launch options and run paths.
///
/// A pure function: the same input gives the same text, so that the text can be tested and stored with a snapshot.
/// Nothing depends on the accelerator but the word `accel=`; a snapshot taken under one fits the other's devices.
package struct QEMUCommandLine: Sendable, Hashable, Codable {
    /// The path of QEMU.
    package let executable: String
    /// What follows it.
    package let arguments: [String]

    /// - Throws: ``HypervisorError`` with `.invalidConfiguration` when the parts contradict each other.
    package init(
        executable: String, name: String, configuration: MachineConfiguration, options: LaunchOptions,
        paths: RunPaths
    ) throws {
        try configuration.validate()
        guard options.diskBases.count == configuration.disks.count else {
            throw HypervisorError(
                .invalidConfiguration,
                "The machine has \(configuration.disks.count) disks but \(options.diskBases.count) bases are given; "
                    + "give one for each disk.")
        }
        var list = ["-name", "guest=" + Self.escaped(name)]
        let memory = try Self.memory(configuration, options)
        list += [
            "-machine", "\(configuration.machine),accel=\(options.accelerator.rawValue)\(memory.machineOption)",
        ]
        list += memory.arguments
        list += ["-cpu", configuration.cpu]
        list += ["-smp", String(configuration.cpus)]
        list += ["-m", "\(configuration.memoryMiB)M"]
        list += ["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"]
        list += Self.monitors(paths)
        list += Self.serial(options.console, paths)
        list += try Self.blockDevices(configuration, options, paths)
        list += try Self.boot(configuration, options, paths)
        list += configuration.extraArguments
        if options.start == .incoming { list += ["-incoming", "defer"] }
        // A resumed guest is started by an explicit `cont`, whatever run state its stream carries.
        if options.start == .incoming || !options.startsRunning { list.append("-S") }
        self.executable = executable
        self.arguments = list
    }

    /// The command in shell syntax, one option per line.
    package var shellText: String {
        var text = Self.quoted(executable)
        for argument in arguments {
            text += argument.hasPrefix("-") ? " \\\n    " : " "
            text += Self.quoted(argument)
        }
        return text + "\n"
    }

    /// The number under which QEMU inherits the file of its main memory; 3 is the run's lock.
    static let memoryDescriptor: Int32 = 4

    /// Main memory in a file that QEMU inherits.
    ///
    /// The object's name becomes the name of the RAM block, in machine types up to 4.0 too, which would use its path.
    private static func memory(
        _ configuration: MachineConfiguration, _ options: LaunchOptions
    ) throws -> (machineOption: String, arguments: [String]) {
        guard let file = options.memory.file else { return ("", []) }
        if let obstacle = configuration.obstacleToSharedMemory {
            throw HypervisorError(.invalidConfiguration, "The guest's memory cannot be a file: \(obstacle).")
        }
        guard file.size == configuration.memoryBytes else {
            throw HypervisorError(
                .invalidConfiguration,
                "The machine has \(configuration.memoryBytes) bytes of memory, the file for it \(file.size).")
        }
        let name = MachineConfiguration.mainMemoryBlock
        let isShared = options.memory.visible != nil
        return (
            ",memory-backend=\(name)",
            [
                "-object",
                "memory-backend-file,id=\(name),size=\(file.size),mem-path=/proc/self/fd/\(memoryDescriptor),"
                    + "share=\(isShared ? "on" : "off"),x-use-canonical-path-for-ramblock-id=off",
            ]
        )
    }

    private static func monitors(_ paths: RunPaths) -> [String] {
        var list: [String] = []
        for (id, socket) in [("qmp", paths.monitorSocket), ("control", paths.controlSocket)] {
            list += ["-chardev", "socket,id=\(id),path=\(escaped(socket)),server=on,wait=off"]
            list += ["-mon", "chardev=\(id),mode=control"]
        }
        return list
    }

    private static func serial(_ console: LaunchOptions.Console, _ paths: RunPaths) -> [String] {
        let log = escaped(paths.serialLog)
        let device = ["-device", "isa-serial,chardev=serial0,id=serial0"]
        switch console {
        case .headless:
            return ["-chardev", "file,id=serial0,path=\(log)"] + device
        case .interactive:
            // What `-serial mon:stdio` stands for, with a log file. signal=off hands Ctrl-C to the guest.
            return ["-chardev", "stdio,id=serial0,mux=on,signal=off,logfile=\(log),logappend=off"]
                + ["-mon", "chardev=serial0,mode=readline"] + device
        }
    }

    private static func blockDevices(
        _ configuration: MachineConfiguration, _ options: LaunchOptions, _ paths: RunPaths
    ) throws -> [String] {
        var list: [String] = []
        func add(_ node: JSONValue) throws { list += ["-blockdev", try node.line] }
        try add([
            "driver": "qcow2", "node-name": .string(MachineConfiguration.machineStateNode),
            "file": ["driver": "file", "filename": .string(paths.machineStateImage)],
        ])
        for (disk, base) in zip(configuration.disks, options.diskBases) {
            var overlay: [String: JSONValue] = [
                "driver": "qcow2", "node-name": .string(disk.id), "discard": "unmap",
                "file": ["driver": "file", "filename": .string(paths.overlay(of: disk))],
            ]
            switch base {
            case .nbd(let socket, let export, _):
                try add([
                    "driver": "nbd", "node-name": .string("\(disk.id)-base"), "read-only": true,
                    "server": ["type": "unix", "path": .string(socket)], "export": .string(export),
                ])
                overlay["backing"] = .string("\(disk.id)-base")
            case .empty:
                overlay["backing"] = .null
            }
            try add(.object(overlay))
            list += [
                "-device",
                "virtio-blk-pci,drive=\(disk.id),id=virtio-\(disk.id),addr=0x\(String(disk.slot, radix: 16))",
            ]
        }
        return list
    }

    private static func boot(
        _ configuration: MachineConfiguration, _ options: LaunchOptions, _ paths: RunPaths
    ) throws -> [String] {
        guard let boot = configuration.boot else {
            guard options.bootFiles == nil else {
                throw HypervisorError(
                    .invalidConfiguration,
                    "A kernel is given, but the machine has no direct boot; its snapshots would not load elsewhere. "
                        + "Describe the boot in the machine configuration.")
            }
            return []
        }
        if options.bootFiles == nil, options.start == .boot {
            throw HypervisorError(
                .invalidConfiguration, "The machine boots a kernel directly, but no kernel file is given.")
        }
        var list = ["-kernel", options.bootFiles?.kernel ?? paths.placeholderKernel]
        if boot.hasInitialRamdisk, let files = options.bootFiles {
            guard let ramdisk = files.initialRamdisk else {
                throw HypervisorError(
                    .invalidConfiguration, "The machine boots with an initramfs, but only a kernel file is given.")
            }
            list += ["-initrd", ramdisk]
        }
        if !boot.commandLine.isEmpty { list += ["-append", boot.commandLine] }
        return list
    }

    /// A value inside a comma-separated QEMU option: commas are doubled (QEMU's `opts` syntax).
    static func escaped(_ value: String) -> String {
        value.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
    }

    /// A word in POSIX shell syntax.
    static func quoted(_ word: String) -> String {
        let isPlain =
            !word.isEmpty && word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./=,:+@%".contains($0)) }
        return isPlain
            ? word : "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
