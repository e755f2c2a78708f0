import VMState

/// Devices that a PC has only where its command line asks for them, by the name that their sections have in a stream.
///
/// Measured: the sections that `-device NAME` adds to the streams of QEMU 7.2's pc-i440fx-7.2 and pc-q35-7.2.
enum OptionalDevices {
    /// Sections by model, with the values of `-device` that make one.
    static let models: [String: Set<String>] = [
        "vga": ["VGA", "secondary-vga", "isa-vga"], "cirrus_vga": ["cirrus-vga", "isa-cirrus-vga"],
        "qxl": ["qxl", "qxl-vga"], "bochs-display": ["bochs-display"],
        "virtio-gpu": ["virtio-gpu-pci", "virtio-vga", "virtio-gpu-gl-pci", "virtio-vga-gl"],
        "e1000": ["e1000", "e1000-82544gc", "e1000-82545em"], "e1000e": ["e1000e"], "rtl8139": ["rtl8139"],
        "pcnet": ["pcnet"], "ne2000": ["ne2k_pci", "ne2k_isa"], "vmxnet3": ["vmxnet3"], "tulip": ["tulip"],
        "virtio-net": ["virtio-net-pci", "virtio-net"],
        "virtio-scsi": ["virtio-scsi-pci"], "virtio-rng": ["virtio-rng-pci"], "virtio-balloon": ["virtio-balloon-pci"],
        "virtio-console": ["virtio-serial-pci"],
        "virtio-input": ["virtio-keyboard-pci", "virtio-mouse-pci", "virtio-tablet-pci", "virtio-input-host-pci"],
        "ich9_ahci": ["ahci", "ich9-ahci"], "lsiscsi": ["lsi53c895a", "lsi53c810", "lsi"], "megasas": ["megasas"],
        "pvscsi": ["pvscsi"], "pciespscsi": ["am53c974", "dc390"], "sdhci": ["sdhci-pci"],
        "uhci": [
            "piix3-usb-uhci", "piix4-usb-uhci", "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3", "ich9-usb-uhci4",
            "ich9-usb-uhci5", "ich9-usb-uhci6", "vt82c686b-usb-uhci",
        ],
        "ehci": ["usb-ehci", "ich9-usb-ehci1", "ich9-usb-ehci2"], "ohci": ["pci-ohci"],
        "xhci": ["qemu-xhci", "nec-usb-xhci"], "usb-ptr": ["usb-tablet", "usb-mouse"], "usb-kbd": ["usb-kbd"],
        "usb-hub": ["usb-hub"], "intel-hda": ["intel-hda", "ich9-intel-hda"], "ac97": ["AC97"], "es1370": ["ES1370"],
        "sb16": ["sb16"], "i6300esb_wdt": ["i6300esb"], "ib700_wdt": ["ib700"], "pvpanic-pci": ["pvpanic-pci"],
        "vmgenid": ["vmgenid"], "pci_bridge": ["pci-bridge"], userNetwork: ["user"],
    ]
    /// What the section of user-mode networking is called: one for each such network, whatever device it is plugged into.
    private static let userNetwork = "slirp"

    /// The device that a user would ask for to get a section.
    static let usual: [String: String] = [
        "vga": "VGA", "cirrus_vga": "cirrus-vga", "qxl": "qxl-vga", "virtio-gpu": "virtio-gpu-pci", "e1000": "e1000",
        "ne2000": "ne2k_pci", "virtio-net": "virtio-net-pci", "virtio-input": "virtio-tablet-pci", "ich9_ahci": "ahci",
        "lsiscsi": "lsi53c895a", "pciespscsi": "am53c974", "uhci": "piix3-usb-uhci", "ehci": "usb-ehci",
        "xhci": "qemu-xhci", "usb-ptr": "usb-tablet", "intel-hda": "intel-hda",
    ]

    /// Values of `-vga` by those of `-device`.
    private static let displays = ["std": "VGA", "cirrus": "cirrus-vga", "qxl": "qxl-vga", "virtio": "virtio-vga"]

    /// The arguments that make a section of a model.
    static func option(of model: String) -> String {
        model == userNetwork ? "-netdev user" : "-device \(usual[model] ?? models[model]?.min() ?? model)"
    }

    /// How many devices of each model a command line's further arguments ask for; nil if it takes arguments from a file.
    static func counts(_ arguments: [String]) -> [String: Int]? {
        var counts: [String: Int] = [:]
        func count(_ name: some StringProtocol) {
            for (model, names) in models where names.contains(String(name)) { counts[model, default: 0] += 1 }
        }
        /// A setting of a list like `user,model=e1000`.
        func setting(_ key: String, _ text: String) -> Substring? {
            text.split(separator: ",").first { $0.hasPrefix(key + "=") }?.dropFirst(key.count + 1)
        }
        func kind(_ text: String) -> Substring { text.split(separator: ",").first ?? "" }
        for (index, argument) in arguments.enumerated() {
            // QEMU takes each option with one dash or two.
            let option = argument.hasPrefix("--") ? String(argument.dropFirst()) : argument
            if option == "-usb" { count("piix3-usb-uhci") }
            guard index + 1 < arguments.count else { continue }
            let value = arguments[index + 1]
            switch option {
            case "-readconfig": return nil
            case "-device":
                // Also as JSON, from QEMU 6.2 on.
                let driver = value.hasPrefix("{") ? member("driver", inJSON: value) : setting("driver", value)
                count(driver ?? kind(value))
            case "-vga": count(displays[value] ?? value)
            case "-netdev":
                let type = value.hasPrefix("{") ? member("type", inJSON: value) : setting("type", value)
                count(type ?? kind(value))
            case "-nic", "-net":
                count(kind(value))
                if let model = setting("model", value) { count(model == "virtio" ? "virtio-net-pci" : String(model)) }
            case "-usbdevice":
                count(value == "tablet" || value == "mouse" ? "usb-tablet" : value == "keyboard" ? "usb-kbd" : "")
            case "-watchdog": count(value)
            default: break
            }
        }
        return counts
    }

    /// A word of the JSON form of an argument.
    private static func member(_ name: String, inJSON text: String) -> Substring? {
        let key = text.firstRange(of: "\"\(name)\"")
        return key.flatMap { text[$0.upperBound...].prefixMatch(of: /\s*:\s*"([^"]*)"/)?.1 }
    }
}
