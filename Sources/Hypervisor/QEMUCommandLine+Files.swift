extension QEMUCommandLine {
    /// The command that a person types to start a machine from image files, with the console on the terminal.
    ///
    /// - Parameters:
    ///   - images: paths by disk id, one for each disk of the configuration.
    ///   - format: that of all images, as QEMU names it.
    ///   - snapshot: the internal snapshot to resume.
    /// - Throws: ``HypervisorError`` with `.invalidConfiguration` when a disk lacks its image.
    package init(
        executable: String, configuration: MachineConfiguration, images: [String: String], format: String,
        kernel: String?, initialRamdisk: String?, loading snapshot: String?
    ) throws {
        try configuration.validate()
        var list = ["-machine", "\(configuration.machine),accel=tcg", "-cpu", configuration.cpu]
        list += ["-smp", String(configuration.cpus), "-m", "\(configuration.memoryMiB)M"]
        list += ["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"]
        list += ["-chardev", "stdio,id=serial0,mux=on,signal=off", "-mon", "chardev=serial0,mode=readline"]
        list += ["-device", "isa-serial,chardev=serial0,id=serial0"]
        for disk in configuration.disks {
            guard let image = images[disk.id] else {
                throw HypervisorError(.invalidConfiguration, "The disk '\(disk.id)' has no image.")
            }
            list += ["-drive", "file=\(Self.escaped(image)),format=\(format),if=none,id=\(disk.id),discard=unmap"]
            list += [
                "-device",
                "virtio-blk-pci,drive=\(disk.id),id=virtio-\(disk.id),addr=0x\(String(disk.slot, radix: 16))",
            ]
        }
        if let kernel { list += ["-kernel", kernel] }
        if let initialRamdisk { list += ["-initrd", initialRamdisk] }
        if let boot = configuration.boot, !boot.commandLine.isEmpty { list += ["-append", boot.commandLine] }
        list += configuration.extraArguments
        if let snapshot { list += ["-loadvm", snapshot] }
        self.executable = executable
        arguments = list
    }
}
