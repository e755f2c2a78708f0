import Hypervisor
import Testing

@Suite struct QEMUCommandLineTests {
    private let paths = RunPaths(directory: "/r")

    private func line(
        _ configuration: MachineConfiguration, _ options: LaunchOptions, paths: RunPaths? = nil
    ) throws -> [String] {
        try QEMUCommandLine(
            executable: "/usr/bin/qemu-system-x86_64", name: "Mini", configuration: configuration, options: options,
            paths: paths ?? self.paths
        ).arguments
    }

    @Test func headlessWithDisk() throws {
        let configuration = MachineConfiguration(
            machine: "pc-i440fx-7.2", cpu: "qemu64,-x2apic", memoryMiB: 128, cpus: 2, diskCount: 1)
        let options = LaunchOptions(diskBases: [.nbd(socket: "/r/nbd.sock", export: "d", size: 1 << 20)])
        let expected = """
            -name guest=Mini -machine pc-i440fx-7.2,accel=tcg -cpu qemu64,-x2apic -smp 2 -m 128M
            -nodefaults -no-user-config -display none -vga none
            -chardev socket,id=qmp,path=/r/qmp.sock,server=on,wait=off -mon chardev=qmp,mode=control
            -chardev socket,id=control,path=/r/control.sock,server=on,wait=off -mon chardev=control,mode=control
            -chardev file,id=serial0,path=/r/serial.log -device isa-serial,chardev=serial0,id=serial0
            -blockdev {"driver":"qcow2","file":{"driver":"file","filename":"/r/vmstate.qcow2"},"node-name":"vmstate"}
            -blockdev {"driver":"nbd","export":"d","node-name":"disk0-base","read-only":true,\
            "server":{"path":"/r/nbd.sock","type":"unix"}}
            -blockdev {"backing":"disk0-base","discard":"unmap","driver":"qcow2",\
            "file":{"driver":"file","filename":"/r/disk0.qcow2"},"node-name":"disk0"}
            -device virtio-blk-pci,drive=disk0,id=virtio-disk0,addr=0x4
            """
        #expect(
            try line(configuration, options).joined(separator: " ")
                == expected.split(separator: "\n").joined(separator: " "))
    }

    @Test func acceleratorsDifferInOneWord() throws {
        let configuration = MachineConfiguration(machine: "pc-q35-7.2", cpu: "qemu64", memoryMiB: 32)
        let tcg = try line(configuration, LaunchOptions(accelerator: .tcg))
        let kvm = try line(configuration, LaunchOptions(accelerator: .kvm))
        #expect(zip(tcg, kvm).filter { $0 != $1 }.map(\.1) == ["pc-q35-7.2,accel=kvm"])
    }

    @Test func memoryInAFile() throws {
        var configuration = MachineConfiguration(machine: "pc-q35-7.2", cpu: "qemu64", memoryMiB: 32)
        let memory = try SharedMemory(size: 32 << 20)
        let shared = try line(configuration, LaunchOptions(memory: .shared(memory))).joined(separator: " ")
        #expect(
            shared.contains(
                "-machine pc-q35-7.2,accel=tcg,memory-backend=pc.ram -object memory-backend-file,id=pc.ram,"
                    + "size=33554432,mem-path=/proc/self/fd/4,share=on,x-use-canonical-path-for-ramblock-id=off"))
        let private_ = try line(configuration, LaunchOptions(memory: .copyOnWrite(memory))).joined(separator: " ")
        #expect(private_.contains("mem-path=/proc/self/fd/4,share=off,"))
        configuration.memoryMiB = 64
        #expect(throws: HypervisorError.self) { try line(configuration, LaunchOptions(memory: .shared(memory))) }
        configuration.memoryMiB = 32
        configuration.extraArguments = ["-numa", "node"]
        #expect(throws: HypervisorError.self) { try line(configuration, LaunchOptions(memory: .shared(memory))) }
    }

    @Test func interactiveSharesTheTerminalAndKeepsALog() throws {
        let configuration = MachineConfiguration(machine: "pc-q35-7.2", cpu: "qemu64", memoryMiB: 32)
        let text = try line(configuration, LaunchOptions(console: .interactive)).joined(separator: " ")
        #expect(
            text.contains(
                "-chardev stdio,id=serial0,mux=on,signal=off,logfile=/r/serial.log,logappend=off "
                    + "-mon chardev=serial0,mode=readline -device isa-serial,chardev=serial0,id=serial0"))
    }

    @Test func bootAndResume() throws {
        let configuration = MachineConfiguration(
            machine: "pc-i440fx-7.2", cpu: "qemu64", memoryMiB: 32,
            boot: .init(hasInitialRamdisk: true, commandLine: "console=ttyS0 quiet"), extraArguments: ["-no-reboot"])
        let files = LaunchOptions.BootFiles(kernel: "/k", initialRamdisk: "/i")
        let boot = try line(configuration, LaunchOptions(bootFiles: files))
        #expect(boot.suffix(7) == ["-kernel", "/k", "-initrd", "/i", "-append", "console=ttyS0 quiet", "-no-reboot"])
        let resume = try line(configuration, LaunchOptions(start: .incoming))
        #expect(
            resume.suffix(8) == [
                "-kernel", "/r/placeholder-kernel", "-append", "console=ttyS0 quiet", "-no-reboot", "-incoming",
                "defer", "-S",
            ])
    }

    @Test func commasAndQuotesAreEscaped() throws {
        let configuration = MachineConfiguration(machine: "pc", cpu: "qemu64", memoryMiB: 32)
        let command = try QEMUCommandLine(
            executable: "/q", name: "a,b 'c'", configuration: configuration, options: LaunchOptions(),
            paths: RunPaths(directory: "/r,s"))
        #expect(command.arguments[1] == "guest=a,,b 'c'")
        #expect(command.arguments.contains("file,id=serial0,path=/r,,s/serial.log"))
        #expect(command.shellText.hasPrefix("/q \\\n    -name 'guest=a,,b '\\''c'\\''' \\\n    -machine pc,accel=tcg"))
    }

    @Test(arguments: [
        (MachineConfiguration(machine: "pc,accel=kvm", cpu: "q", memoryMiB: 1), LaunchOptions()),
        (MachineConfiguration(machine: "pc", cpu: "", memoryMiB: 1), LaunchOptions()),
        (MachineConfiguration(machine: "pc", cpu: "q", memoryMiB: 0), LaunchOptions()),
        (MachineConfiguration(machine: "pc", cpu: "q", memoryMiB: 1, cpus: 0), LaunchOptions()),
        (MachineConfiguration(machine: "pc", cpu: "q", memoryMiB: 1, diskCount: 27), LaunchOptions()),
        (MachineConfiguration(machine: "pc", cpu: "q", memoryMiB: 1, diskCount: 1), LaunchOptions()),
        (MachineConfiguration(machine: "pc", cpu: "q", memoryMiB: 1), LaunchOptions(bootFiles: .init(kernel: "/k"))),
        (
            MachineConfiguration(
                machine: "pc", cpu: "q", memoryMiB: 1, boot: .init(hasInitialRamdisk: false, commandLine: "")),
            LaunchOptions()
        ),
        (
            MachineConfiguration(
                machine: "pc", cpu: "q", memoryMiB: 1, boot: .init(hasInitialRamdisk: true, commandLine: "")),
            LaunchOptions(bootFiles: .init(kernel: "/k"))
        ),
    ])
    func contradictionsAreRefused(_ configuration: MachineConfiguration, _ options: LaunchOptions) async throws {
        let error = try await hypervisorError { _ = try line(configuration, options) }
        #expect(error.code == .invalidConfiguration)
    }
}
