import VMState

/// Sections of interrupt controllers as QEMU 7.2 has written them.
enum InterruptSections {
    /// `apic` of a guest under KVM in xAPIC mode, Linux with a one-shot timer of 0x2E5A1 ticks of 16 ns.
    static let kvmOneShot =
        "fee00900000010000001ff010f" + vectors + vectors + vectors
        + "000000ec0001000000010000000107000000040" + "0000000fe" + "00000000" + "000c461000000000"
        + "00000003000000040002e5a1" + "000000037453b347" + "0000000374820d67" + "0000000374820d67"
    /// `apic` 3 of a guest under KVM in x2APIC mode, Linux with the TSC-deadline timer, vector 0xEC requested.
    static let kvmDeadline =
        "fee00c00030010000001ff000f" + vectors + vectors + lastVectors
        + "000400ec00010000000100000001070000010400000000fe" + "00000000" + "000000fb00000000"
        + "000000000000000100000000" + "0000008ccc32c6d0" + "0000000000000000" + "ffffffffffffffff"
    /// `apic` of a guest under TCG in its firmware.
    static let tcg =
        "fee00900000000000001ff000f" + vectors + vectors + vectors
        + "000100000001000000010000000087000000840000010000" + "00000000" + "000c461000000000"
        + "000000000000000000000000" + "0000000000000000" + "0000000000000000" + "ffffffffffffffff"
    /// `apic` 1 of a guest under TCG before its firmware, with subsection `apic_sipi`.
    static let tcgWaiting =
        "fee00800010000000000ff000f" + vectors + vectors + vectors
        + "000100000001000000010000000100000001000000010000" + "00000000" + "0000000000000000"
        + "000000000000000000000000" + "0000000000000000" + "0000000000000000" + "ffffffffffffffff"
        + "0509617069635f73697069000000010000000000000001"
    /// `ioapic` of a guest under KVM with two processors.
    static let ioapic =
        "0018" + "0000000000000000" + "00000000" + "0000000000010000" + "0200000000000822" + "0100000000000830"
        + "0000000000010000" + "0200000000000823" + masked(3) + "0100000000000822" + "0200000000008821" + masked(2)
        + "0100000000000821" + masked(11)
    /// `i8259` 0 and 1 of a guest under TCG in its firmware.
    static let primary = "0110b800000800000000000000010000"
    static let secondary = "00008e0000700000000000000001000c"
    /// The same of a guest under KVM, Linux.
    static let kvmPrimary = "0013ff00003000000000010000010000"
    static let kvmSecondary = "0011ff0000380000000000000001000c"

    private static let vectors = String(repeating: "00000000", count: 8)
    private static let lastVectors = String(repeating: "00000000", count: 7) + "00001000"

    private static func masked(_ count: Int) -> String { String(repeating: "0000000000010000", count: count) }

    static func apic(_ payload: String, instance: UInt32 = 0) throws -> DeviceSection {
        let fields = [
            integer("apicbase", 4), integer("id", 1), integer("arb_id", 1), integer("tpr", 1),
            integer("spurious_vec", 4), integer("log_dest", 1), integer("dest_mode", 1), integer("isr", 4, count: 8),
            integer("tmr", 4, count: 8), integer("irr", 4, count: 8), integer("lvt", 4, count: 6), integer("esr", 4),
            integer("icr", 4, count: 2), integer("divide_conf", 4), integer("count_shift", 4),
            integer("initial_count", 4), integer("initial_count_load_time", 8), integer("next_time", 8),
            integer("timer_expiry", 8),
        ]
        let waiting =
            #"{"vmsd_name": "apic_sipi", "version": 1, "fields": ["#
            + [integer("sipi_vector", 4), integer("wait_for_sipi", 4)].joined(separator: ", ") + "]}"
        return try section(
            "apic", instance, version: 3, fields, subsections: payload.count == 362 ? [] : [waiting], payload)
    }

    static func ioapic(_ payload: String = ioapic) throws -> DeviceSection {
        let fields = [
            integer("id", 1), integer("ioregsel", 1), integer("unused", 8), integer("irr", 4),
            integer("ioredtbl", 8, count: 24),
        ]
        return try section("ioapic", 0, version: 3, fields, payload)
    }

    static func i8259(_ payload: String, instance: UInt32) throws -> DeviceSection {
        let names = [
            "last_irr", "irr", "imr", "isr", "priority_add", "irq_base", "read_reg_select", "poll", "special_mask",
            "init_state", "auto_eoi", "rotate_on_auto_eoi", "special_fully_nested_mode", "init4", "single_mode", "elcr",
        ]
        return try section("i8259", instance, version: 1, names.map { integer($0, 1) }, payload)
    }

    private static func integer(_ name: String, _ size: Int, count: Int = 1) -> String {
        let length = count > 1 ? #", "array_len": \#(count)"# : ""
        return #"{"name": "\#(name)"\#(length), "type": "uint\#(8 * size)", "size": \#(size)}"#
    }

    private static func section(
        _ name: String, _ instance: UInt32, version: Int, _ fields: [String], subsections: [String] = [],
        _ payload: String
    ) throws -> DeviceSection {
        let inner = subsections.isEmpty ? "" : #", "subsections": [\#(subsections.joined(separator: ", "))]"#
        let entry =
            #"{"name": "\#(name)", "instance_id": \#(instance), "vmsd_name": "\#(name)", "version": \#(version), "#
            + #""fields": [\#(fields.joined(separator: ", "))]\#(inner)}"#
        return try DeviceSection(description: entry, payload: bytes(payload))
    }

    static func bytes(_ digits: String) -> [UInt8] {
        let nibbles = digits.utf8.map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: nibbles.count - 1, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
    }
}

/// A fixed sequence of numbers (SplitMix64): the same in every run.
struct FixedNumbers {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
