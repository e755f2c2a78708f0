/// The host bridge's choice between RAM and ROM from C0000 to FFFFF (PAM registers).
///
/// Source: Intel 440FX PCIset (82441FX) datasheet, registers 59-5F; Q35 MCH datasheet, registers 90-96. Each has two
/// nibbles; bit 0 of a nibble: reads go to RAM, bit 1: writes go to RAM.
struct ProgrammableAttributes {
    struct Segment {
        var base: UInt64
        var length: UInt64
        var readsRAM: Bool
        var writesRAM: Bool
    }

    /// From C0000 to FFFFF without gaps.
    let segments: [Segment]

    init(_ stream: MigrationStream, _ family: MachineType.Family) throws(VMStateError) {
        let model = family == .i440fx ? "I440FX" : "mch"
        guard let bridge = stream.devices(ofModel: model).first else {
            throw VMStateError(.notFound, "the stream has no section of the host bridge (\(model))")
        }
        let config = try bridge.bytes("parent_obj.config[0]")
        let first = family == .i440fx ? 0x59 : 0x90
        guard config.count >= first + 7 else {
            throw VMStateError(.malformed, "the configuration space is too short", section: bridge.name)
        }
        var list: [Segment] = []
        for number in 0..<12 {
            let register = config[first + 1 + number / 2]
            let nibble = number % 2 == 0 ? register : register >> 4
            list.append(Self.segment(0xc_0000 + UInt64(number) << 14, 1 << 14, nibble))
        }
        list.append(Self.segment(0xf_0000, 1 << 16, config[first] >> 4))
        segments = list
    }

    private static func segment(_ base: UInt64, _ length: UInt64, _ nibble: UInt8) -> Segment {
        Segment(base: base, length: length, readsRAM: nibble & 1 != 0, writesRAM: nibble & 2 != 0)
    }
}
