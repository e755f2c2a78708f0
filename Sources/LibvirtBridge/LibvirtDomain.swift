import CPUModel

/// A domain of libvirt as far as a VM of Stemma has the same: what the XML says, without what only libvirt knows.
package struct LibvirtDomain: Sendable, Hashable {
    /// A disk in a file.
    package struct Disk: Sendable, Hashable {
        package var path: String
        /// QEMU's name of the format; nil when the XML names none.
        package var format: String?
        /// The PCI slot on the root bus; nil for another bus or a device that is none of PCI.
        package var slot: Int?

        package init(path: String, format: String?, slot: Int?) {
            (self.path, self.format, self.slot) = (path, format, slot)
        }
    }

    package var name: String
    /// `kvm`, `qemu` (TCG), `test`, ....
    package var type: String
    package var machine: String?
    package var memoryMiB: Int
    package var cpus: Int
    package var cpu: LibvirtCPU?
    package var disks: [Disk]
    package var kernel: String?
    package var initialRamdisk: String?
    package var commandLine: String?
    /// Devices and disks that a VM of Stemma does not get, in words.
    package var leftOut: [String]

    /// Reads a domain's XML.
    ///
    /// - Throws: ``LibvirtError`` with `.unsuitable` for a domain that is no PC; ``CPUModelError`` for broken XML.
    package init(xml: String) throws {
        let root = try XMLElement(parsing: xml)
        guard root.name == "domain", let name = root["name"]?.text, let os = root["os"], let type = os["type"] else {
            throw LibvirtError(.unsuitable, "The XML is no domain with a name and an operating system type.")
        }
        let arch = type.attributes["arch"] ?? "x86_64"
        guard type.text == "hvm", ["x86_64", "i686"].contains(arch) else {
            throw LibvirtError(
                .unsuitable, "The domain '\(name)' is '\(type.text)' for \(arch); only PCs ('hvm', x86_64) become VMs.")
        }
        self.name = name
        self.type = root.attributes["type"] ?? ""
        machine = type.attributes["machine"]
        memoryMiB = try Self.mebibytes(root["memory"], domain: name)
        guard let count = Int(root["vcpu"]?.text ?? "1"), (1...255).contains(count) else {
            throw LibvirtError(.unsuitable, "The domain '\(name)' has '\(root["vcpu"]?.text ?? "")' virtual CPUs.")
        }
        cpus = count
        cpu = root["cpu"] == nil ? nil : try LibvirtCPU(xml: xml)
        kernel = os["kernel"]?.text
        initialRamdisk = os["initrd"]?.text
        commandLine = os["cmdline"]?.text
        disks = []
        leftOut = []
        if let loader = os["loader"] { leftOut.append("firmware \(loader.text)") }
        for device in root["devices"]?.children ?? [] { add(device) }
    }

    private mutating func add(_ device: XMLElement) {
        switch device.name {
        case "disk":
            let target = device["target"]?.attributes["dev"] ?? "?"
            guard (device.attributes["device"] ?? "disk") == "disk", device.attributes["type"] == "file",
                let path = device["source"]?.attributes["file"], !path.isEmpty
            else {
                leftOut.append("\(device.attributes["device"] ?? "disk") \(target), which is no disk in a file")
                return
            }
            let bus = device["target"]?.attributes["bus"] ?? "virtio"
            if bus != "virtio" { leftOut.append("the \(bus) controller of \(target): the disk becomes virtio") }
            let address = device["address"]?.attributes ?? [:]
            let isRoot = bus == "virtio" && address["type"] == "pci" && Self.number(address["bus"]) == 0
            disks.append(
                Disk(
                    path: path, format: device["driver"]?.attributes["type"],
                    slot: isRoot ? Self.number(address["slot"]) : nil))
        case "emulator", "controller", "serial", "console", "input", "audio", "memballoon", "channel", "rng": break
        default:
            leftOut.append(device.name + (device.attributes["type"].map { " (\($0))" } ?? ""))
        }
    }

    private static func number(_ text: String?) -> Int? {
        guard let text else { return nil }
        return text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
    }

    /// Memory in one of libvirt's units (libvirt, formatdomain, "Memory Allocation").
    private static func mebibytes(_ element: XMLElement?, domain: String) throws -> Int {
        let units: [String: UInt64] = [
            "b": 1, "bytes": 1, "KB": 1000, "k": 1024, "KiB": 1024, "MB": 1_000_000, "M": 1 << 20, "MiB": 1 << 20,
            "GB": 1_000_000_000, "G": 1 << 30, "GiB": 1 << 30, "TB": 1_000_000_000_000, "T": 1 << 40, "TiB": 1 << 40,
        ]
        let unit = units[element?.attributes["unit"] ?? "KiB"]
        guard let number = element.flatMap({ UInt64($0.text) }), let unit,
            case (let bytes, let overflow) = number.multipliedReportingOverflow(by: unit), !overflow, bytes >= 1 << 20
        else { throw LibvirtError(.unsuitable, "The domain '\(domain)' names no amount of memory of at least 1 MiB.") }
        return Int(clamping: bytes >> 20)
    }
}
