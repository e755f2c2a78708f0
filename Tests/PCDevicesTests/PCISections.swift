import VMState

@testable import PCDevices

/// Sections of PCI functions as QEMU 7.2 has written them, of guests with Linux 6.1 under KVM and of firmware under TCG.
enum PCISections {
    /// Parts of a section that are not zero, by their offset.
    typealias Runs = [(offset: Int, digits: String)]

    /// `0000:00:04.0/virtio-blk` on pc, Linux 6.1 with two queues and MSI-X, all requests finished.
    static let linuxBlock = make(
        45637,
        [
            (
                3,
                "02f41a011007051000000000010000000001c0000000f0bffe00000000000000000c80bffe0000000000000000f41a0200"
                    + "0000000098000000000000000b01000009001001040000000000000000100000094010030400000000100000001000"
                    + "0009501004040000000020000000100000096014020400000000300000001000000400000009701405"
            ), (156, "11840280010000000108"),
            (
                276,
                "0410e0fe0000000024000000000000000410e0fe0000000023000000000000000420e0fe0000000024000000000000000000"
                    + "000f01000130007e5400000039000002000000000000000000fe0000008200103f0002000000000000000000000100"
                    + "0200ffff3f000100000001000000ffff3f00010000000100000002000001000000000002988000000700010000010000"
                    + "000000029860000000000200051576697274696f2f36346269745f6665617475726573000000010000010130007e54"
                    + "051176697274696f2f76697274717565756573000000010000000002989000000000000298924000000000029870000000"
                    + "000002987240"
            ),
            (
                16875,
                "051276697274696f2f65787472615f737461746500000001051776697274696f5f7063692f6d6f6465726e5f7374617465"
                    + "00000001000000010000000130007e540000010101000001029880000000000002989000000000000298924000000000"
                    + "010000010298600000000000029870000000000002987240"
            ), (45616, "050e76697274696f2f737461727465640000000101"),
        ])
    /// The same device after the firmware has used it, in the modern interface and without interrupts.
    static let firmwareBlock = make(
        45605,
        [
            (
                3,
                "02f41a011007011000000000010000000001c000000010bffe00000000000000000c0000fe0000000000000000f41a0200"
                    + "0000000098000000000000000b01000009001001040000000000000000100000094010030400000000100000001000"
                    + "0009501004040000000020000000100000096014020400000000300000001000000400000009701405"
            ), (156, "11840100010000000108"), (288, "01"),
            (
                304,
                "0100000000ffff0f0000000000004400000039008000000000000000000000fe0000002000103f0002000000000000000000"
                    + "0100"
                    + "0100ffff3f000100000001000000ffff3f00010000000100000001000001000000000001fdd0000001ffff00051576697274"
                    + "696f2f36346269745f6665617475726573000000010000000100000044051176697274696f2f76697274717565756573"
                    + "000000010000000001fde0000000000001fdf0"
            ),
            (
                16843,
                "051276697274696f2f65787472615f737461746500000001051776697274696f5f7063692f6d6f6465726e5f7374617465"
                    + "00000001000000010000000100000044000000010000000101fdd0000000000001fde0000000000001fdf0"
            ), (45584, "050e76697274696f2f737461727465640000000101"),
        ])
    /// `0000:00:06.0/virtio-rng` on pc, not driven: bus mastering is off.
    static let idleEntropy = make(
        45548,
        [
            (
                3,
                "02f41a0510030110000000ff000000000041c100000030bffe00000000000000000c8000fe0000000000000000f41a0400"
                    + "0000000098000000000000000a01000009001001040000000000000000100000094010030400000000100000001000"
                    + "0009501004040000000020000000100000096014020400000000300000001000000400000009701405"
            ), (156, "11840100010000000108"), (288, "01"), (304, "0100000000ffff"),
            (
                326,
                "010000000800000000000000000000ffff051576697274696f2f36346269745f6665617475726573000000010000000000"
                    + "000000051176697274696f2f7669727471756575657300000001"
            ),
            (
                16785,
                "051276697274696f2f65787472615f737461746500000001051776697274696f5f7063692f6d6f6465726e5f737461746500"
                    + "000001"
            ), (45526, "050f76697274696f2f64697361626c65640000000101"),
        ])
    /// `0000:00:09.0:00.0/virtio-rng` behind a port of PCI Express: 4096 bytes of configuration space.
    static let expressEntropy = make(
        49388,
        [
            (
                3,
                "02f41a4410030110000100ff000000000000000000000080fe00000000000000000c0000fe0000000000000000f41a001100"
                    + "000000dc000000000000000a01000010000200008000100000000011040000000011"
            ), (106, "30"),
            (
                128,
                "0140030000000000097c1001040000000000000000100000098410030400000000100000001000000994100404000000"
                    + "002000000010000009a414020400000000300000001000000400000009b41405"
            ), (224, "11c80100010000000108"), (4128, "01"), (4144, "0100000000ffff"),
            (
                4166,
                "010000000800000000000000000000ffff051576697274696f2f36346269745f6665617475726573000000010000000000"
                    + "000000051176697274696f2f7669727471756575657300000001"
            ),
            (
                20625,
                "051276697274696f2f65787472615f737461746500000001051776697274696f5f7063692f6d6f6465726e5f737461746500"
                    + "000001"
            ), (49366, "050f76697274696f2f64697361626c65640000000101"),
        ])

    static let hostBridge = make(
        277,
        [
            (3, "02868037120301000002000006"), (48, "f41a0011"), (91, "1000101111111133"), (118, "0a"),
        ])
    static let piix3 = make(
        292,
        [
            (3, "028680007003010002000001060000800000"), (48, "f41a0011"), (80, "4d000300"), (100, "8a8a8b0b"),
            (106, "02"), (116, "80"),
        ])
    static let memoryController = make(
        277, [(3, "028680c02903010000000000060000"), (48, "f41a0011"), (84, "10"), (100, "010000b0")])

    static func make(_ count: Int, _ runs: Runs) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        for run in runs {
            let nibbles = run.digits.utf8.map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
            for index in 0..<nibbles.count / 2 {
                bytes[run.offset + index] = nibbles[2 * index] << 4 | nibbles[2 * index + 1]
            }
        }
        return bytes
    }

    /// A section with one opaque field.
    static func virtio(_ name: String, _ payload: [UInt8], version: Int = 2) throws -> DeviceSection {
        let field = #"{"name": "virtio", "type": "virtio", "size": \#(payload.count)}"#
        return try section(name, version: version, [field], payload)
    }

    /// A section with a PCI function in the field `parent`, and other fields behind.
    static func function(_ name: String, parent: String, _ payload: [UInt8], rest: [String] = []) throws -> DeviceSection {
        let function =
            #"{"name": "\#(parent)", "type": "struct", "size": 276, "struct": {"vmsd_name": "PCIDevice", "version": 2, "#
            + #""fields": [{"name": "version_id", "type": "int32 le", "size": 4}, "#
            + #"{"name": "config[0]", "type": "pci config", "size": 256}, "#
            + #"{"name": "irq_state", "type": "pci irq state", "size": 16}]}}"#
        return try section(name, version: 3, [function] + rest, payload)
    }

    static func section(_ name: String, version: Int, _ fields: [String], _ payload: [UInt8]) throws -> DeviceSection {
        let entry =
            #"{"name": "\#(name)", "instance_id": 0, "vmsd_name": "\#(name)", "version": \#(version), "#
            + #""fields": [\#(fields.joined(separator: ", "))]}"#
        return try DeviceSection(description: entry, payload: payload)
    }

    /// The sections of a pc with one block device: bridges, host, bus.
    static func pc(block: [UInt8] = linuxBlock, others: [DeviceSection] = []) throws -> [DeviceSection] {
        let unused = #"{"name": "unused", "type": "unused_buffer", "size": 1}"#
        let levels =
            #"{"name": "pci_irq_levels_vmstate", "array_len": 4, "type": "int32", "size": 4}"#
        return [
            try section("PCIHost", version: 1, [#"{"name": "config_reg", "type": "uint32", "size": 4}"#], [0x80, 0, 0x20, 0x98]),
            try function("0000:00:00.0/I440FX", parent: "parent_obj", hostBridge, rest: [unused]),
            try function("0000:00:01.0/PIIX3", parent: "dev", piix3, rest: [levels]),
            try virtio("0000:00:04.0/virtio-blk", block),
        ] + others
    }

    /// The sections of a q35 with one block device.
    static func q35(others: [DeviceSection] = []) throws -> [DeviceSection] {
        var bridge = make(
            276 + 16384,
            [
                (3, "028680182903010002020001060000800000"), (48, "f41a0011"), (68, "0106000080"),
                (100, "8a8a8b8b"), (108, "8a8a8b8b"), (244, "01c0d1fe"),
            ])
        // Device interrupt routes of devices 31 to 25: INTA-D to PIRQA-D.
        for offset in [0x3140, 0x3144, 0x3146, 0x3148, 0x314C, 0x3150] {
            bridge.replaceSubrange(276 + offset..<276 + offset + 2, with: [0x10, 0x32])
        }
        let chip = #"{"name": "chip_config", "array_len": 16384, "type": "uint8", "size": 1}"#
        let unused = #"{"name": "unused", "type": "unused_buffer", "size": 1}"#
        return [
            try function("0000:00:00.0/mch", parent: "parent_obj", memoryController, rest: [unused]),
            try function("0000:00:1f.0/ICH9LPC", parent: "d", bridge, rest: [chip]),
            try virtio("0000:00:04.0/virtio-blk", linuxBlock),
        ] + others
    }
}
