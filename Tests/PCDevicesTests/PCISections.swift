import PCDevices
import VMState

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
                "02f41a011007011000000000010000000001c000000010bffe00000000000000000c0000fe0000000000000000f4"
                    + "1a02000000000098000000000000000b010000090010010400000000000000001000000940100304000000001000"
                    + "000010000009501004040000000020000000100000096014020400000000300000001000000400000009701405"
            ),
            (
                156,
                "11840100010000000108"
            ),
            (
                288,
                "01"
            ),
            (
                304,
                "0100000000ffff0f0000000000004400000039008000000000000000000000fe0000002000103f00020000000000"
                    + "000000000001000100ffff3f000100000001000000ffff3f00010000000100000001000001000000000001fdd000"
                    + "0001ffff00051576697274696f2f36346269745f6665617475726573000000010000000100000044051176697274"
                    + "696f2f76697274717565756573000000010000000001fde0000000000001fdf0"
            ),
            (
                16843,
                "051276697274696f2f65787472615f737461746500000001051776697274696f5f7063692f6d6f6465726e5f7374"
                    + "61746500000001000000010000000100000044000000010000000101fdd0000000000001fde0000000000001fdf0"
            ),
            (
                45584,
                "050e76697274696f2f737461727465640000000101"
            ),
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

    /// `0000:00:07.0/virtio-net` on pc, after the firmware has looked for a server.
    static let firmwareNetwork = make(
        46164,
        [
            (
                3,
                "02f41a001007011000000000020000000061c100000040bffe00000000000000000cc000fe0000000000000000f4"
                    + "1a01000000b4fe98000000000000000b010000090010010400000000000000001000000940100304000000001000"
                    + "000010000009501004040000000020000000100000096014020400000000300000001000000400000009701405"
            ),
            (
                156,
                "11840300010000000108"
            ),
            (
                288,
                "01"
            ),
            (
                304,
                "01"
            ),
            (
                320,
                "01"
            ),
            (
                336,
                "0100000000ffff0f0000010000002000000008525400123456010000000003000001000000000001ef20000002ff"
                    + "ff000001000000000001ef50000002ffff0000004000000000000000000000ffff52540012345600000000000000"
                    + "00000101"
            ),
            (437, String(repeating: "ff", count: 512)),
            (
                960,
                "051576697274696f2f36346269745f6665617475726573000000010000000100000020051176697274696f2f7669"
                    + "7274717565756573000000010000000001ef30000000000001ef40000000000001ef60000000000001ef70"
            ),
            (
                17402,
                "051276697274696f2f65787472615f737461746500000001051776697274696f5f7063692f6d6f6465726e5f7374"
                    + "61746500000001000000010000000100000020000000010100000101ef20000000000001ef30000000000001ef40"
                    + "00000000000100000101ef50000000000001ef60000000000001ef70"
            ),
            (
                46143,
                "050e76697274696f2f737461727465640000000101"
            ),
        ])

    /// What makes a section: its name, version, fields as the description has them, and bytes.
    struct Template {
        var name: String
        var version: Int
        var fields: [String]
        var payload: [UInt8]

        var entry: String {
            #"{"name": "\#(name)", "instance_id": 0, "vmsd_name": "\#(name)", "version": \#(version), "#
                + #""fields": [\#(fields.joined(separator: ", "))]}"#
        }

        func section() throws -> DeviceSection { try DeviceSection(description: entry, payload: payload) }
    }

    /// A section with one opaque field.
    static func virtio(_ name: String, _ payload: [UInt8], version: Int = 2) -> Template {
        Template(
            name: name, version: version, fields: [#"{"name": "virtio", "type": "virtio", "size": \#(payload.count)}"#],
            payload: payload)
    }

    /// A section with a PCI function in the field `parent`, and other fields behind.
    static func function(_ name: String, parent: String, _ payload: [UInt8], rest: [String] = []) -> Template {
        let function =
            #"{"name": "\#(parent)", "type": "struct", "size": 276, "struct": {"vmsd_name": "PCIDevice", "version": 2, "#
            + #""fields": [{"name": "version_id", "type": "int32 le", "size": 4}, "#
            + #"{"name": "config[0]", "type": "pci config", "size": 256}, "#
            + #"{"name": "irq_state", "type": "pci irq state", "size": 16}]}}"#
        return Template(name: name, version: 3, fields: [function] + rest, payload: payload)
    }

    static func integer(_ name: String, _ size: Int, count: Int = 1) -> String {
        let length = count > 1 ? #", "array_len": \#(count)"# : ""
        return #"{"name": "\#(name)"\#(length), "type": "int", "size": \#(size)}"#
    }

    /// A pc with one block device: host, bus, bridges.
    static func pc(block: [UInt8] = linuxBlock, others: [Template] = []) -> [Template] {
        [
            Template(
                name: "PCIHost", version: 1, fields: [integer("config_reg", 4)], payload: [0x80, 0, 0x20, 0x98]),
            Template(
                name: "PCIBUS", version: 1, fields: [integer("nirq", 4), integer("irq_count", 4, count: 4)],
                payload: [0, 0, 0, 4] + [UInt8](repeating: 0, count: 16)),
            function("0000:00:00.0/I440FX", parent: "parent_obj", hostBridge, rest: [integer("unused", 1)]),
            function(
                "0000:00:01.0/PIIX3", parent: "dev", piix3, rest: [integer("pci_irq_levels_vmstate", 4, count: 4)]),
            virtio("0000:00:04.0/virtio-blk", block),
        ] + others
    }

    /// A q35 with one block device.
    static func q35(others: [Template] = []) -> [Template] {
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
        return [
            function("0000:00:00.0/mch", parent: "parent_obj", memoryController, rest: [integer("unused", 1)]),
            function("0000:00:1f.0/ICH9LPC", parent: "d", bridge, rest: [integer("chip_config", 1, count: 16384)]),
            virtio("0000:00:04.0/virtio-blk", linuxBlock),
        ] + others
    }

    /// A stream with these sections and no memory.
    static func stream(_ sections: [Template]) throws -> MigrationStream {
        func integer(_ value: Int, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
        }
        func name(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }
        var bytes = Array("QEVM".utf8) + integer(3, 4)
        // The RAM section: no blocks (flag 4), end of section (flag 16).
        bytes += [1] + integer(0, 4) + name("ram") + integer(0, 4) + integer(4, 4) + integer(4, 8) + integer(16, 8)
        bytes += [0x7E] + integer(0, 4)
        for (index, section) in sections.enumerated() {
            bytes += [4] + integer(index + 1, 4) + name(section.name) + integer(0, 4) + integer(section.version, 4)
            bytes += section.payload + [0x7E] + integer(index + 1, 4)
        }
        let text = #"{"page_size": 4096, "devices": [\#(sections.map(\.entry).joined(separator: ", "))]}"#
        bytes += [0, 6] + integer(text.utf8.count, 4) + Array(text.utf8)
        return try MigrationStream(skeleton: bytes)
    }
}

extension PCIBus {
    init(_ templates: [PCISections.Template], seed: UInt64 = 0) throws {
        try self.init(templates.map { try $0.section() }, seed: seed)
    }
}
