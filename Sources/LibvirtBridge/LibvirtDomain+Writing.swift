import CPUModel

extension LibvirtDomain {
    /// Makes a domain for writing.
    package init(
        name: String, type: String, machine: String, memoryMiB: Int, cpus: Int, disks: [Disk], kernel: String?,
        initialRamdisk: String?, commandLine: String?
    ) {
        (self.name, self.type, self.machine) = (name, type, machine)
        (self.memoryMiB, self.cpus, self.disks) = (memoryMiB, cpus, disks)
        (self.kernel, self.initialRamdisk, self.commandLine) = (kernel, initialRamdisk, commandLine)
        cpu = nil
        leftOut = []
    }

    /// The domain's XML: the same devices that Stemma gives to a VM, on the same PCI slots.
    package var xml: String {
        var lines = [
            "<domain type='\(Self.escaped(type))'>", "  <name>\(Self.escaped(name))</name>",
            "  <memory unit='MiB'>\(memoryMiB)</memory>", "  <vcpu>\(cpus)</vcpu>", "  <os>",
            "    <type arch='x86_64' machine='\(Self.escaped(machine ?? "pc"))'>hvm</type>",
        ]
        for (element, value) in [("kernel", kernel), ("initrd", initialRamdisk), ("cmdline", commandLine)] {
            if let value { lines.append("    <\(element)>\(Self.escaped(value))</\(element)>") }
        }
        lines += ["  </os>", "  <features><acpi/><apic/></features>"]
        if let cpu { lines += cpu.xml.map { "  " + $0 } }
        lines.append("  <devices>")
        for (index, disk) in disks.enumerated() {
            let letter = index < 26 ? String(UnicodeScalar(UInt8(0x61 + index))) : "a\(index)"
            lines += [
                "    <disk type='file' device='disk'>",
                "      <driver name='qemu' type='\(Self.escaped(disk.format ?? "raw"))' discard='unmap'/>",
                "      <source file='\(Self.escaped(disk.path))'/>", "      <target dev='vd\(letter)' bus='virtio'/>",
            ]
            if let slot = disk.slot {
                lines.append(
                    "      <address type='pci' domain='0x0000' bus='0x00' slot='0x\(String(slot, radix: 16))' function='0x0'/>"
                )
            }
            lines.append("    </disk>")
        }
        lines += [
            "    <serial type='pty'><target type='isa-serial' port='0'/></serial>",
            "    <console type='pty'><target type='serial' port='0'/></console>", "    <memballoon model='none'/>",
            "  </devices>", "</domain>",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "'": result += "&apos;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}

extension LibvirtCPU {
    /// The `<cpu>` element for a domain, one line each.
    package var xml: [String] {
        guard let model else { return ["<cpu mode='\(mode ?? "host-passthrough")'/>"] }
        return ["<cpu mode='custom' match='exact' check='none'>"]
            + ["  <model fallback='forbid'>\(LibvirtDomain.escaped(model))</model>"]
            + required.map { "  <feature policy='require' name='\(LibvirtDomain.escaped($0))'/>" }
            + disabled.map { "  <feature policy='disable' name='\(LibvirtDomain.escaped($0))'/>" } + ["</cpu>"]
    }
}
