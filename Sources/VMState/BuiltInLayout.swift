/// Layouts of the sections that the product itself reads and edits, for streams without a description.
///
/// Where a stream has a description, that one is used.
enum BuiltInLayout {
    /// The layout of a section's fixed part, or nil if it is not built in.
    static func layout(_ idstr: String, version: UInt32) -> FieldLayout? {
        switch (idstr, version) {
        case ("cpu", CPULayout.version): cpu
        case ("cpu_common", 1): plain([("halted", "uint32", 4, 1), ("interrupt_request", "uint32", 4, 1)])
        case ("timer", 2):
            plain([
                ("cpu_ticks_offset", "int64", 8, 1), ("unused", "unused_buffer", 8, 1),
                ("cpu_clock_offset", "int64", 8, 1),
            ])
        case ("kvmclock", 1): plain([("clock", "uint64", 8, 1)])
        case ("apic", 3): apic
        case ("globalstate", 1): plain([("size", "uint32", 4, 1), ("runstate", "buffer", 100, 1)])
        default: idstr.hasSuffix("/I440FX") || idstr.hasSuffix("/mch") ? hostBridge : nil
        }
    }

    /// Both host bridges begin with the state that all PCI devices have.
    private static let hostBridge: FieldLayout = {
        let device = plain([
            ("version_id", "int32 le", 4, 1), ("config[0]", "pci config", 256, 1),
            ("irq_state", "pci irq state", 16, 1),
        ])
        let node = FieldNode(
            name: "parent_obj", type: "struct", offset: 0, elementSize: device.size, count: 1, index: nil,
            children: device.fields)
        return FieldLayout(fields: [node], size: device.size)
    }()

    private static let apic = plain([
        ("apicbase", "uint32", 4, 1), ("id", "uint8", 1, 1), ("arb_id", "uint8", 1, 1), ("tpr", "uint8", 1, 1),
        ("spurious_vec", "uint32", 4, 1), ("log_dest", "uint8", 1, 1), ("dest_mode", "uint8", 1, 1),
        ("isr", "uint32", 4, 8), ("tmr", "uint32", 4, 8), ("irr", "uint32", 4, 8), ("lvt", "uint32", 4, 6),
        ("esr", "uint32", 4, 1), ("icr", "uint32", 4, 2), ("divide_conf", "uint32", 4, 1),
        ("count_shift", "int32", 4, 1),
        ("initial_count", "uint32", 4, 1), ("initial_count_load_time", "int64", 8, 1), ("next_time", "int64", 8, 1),
        ("timer_expiry", "int64", 8, 1),
    ])

    private static let cpu: FieldLayout = {
        let segment: [(String, String, Int, Int)] = [
            ("selector", "uint32", 4, 1), ("base", "uint64", 8, 1), ("limit", "uint32", 4, 1),
            ("flags", "uint32", 4, 1),
        ]
        let children: [String: [(String, String, Int, Int)]] = [
            "env.segs": segment, "env.ldt": segment, "env.tr": segment, "env.gdt": segment, "env.idt": segment,
            "env.fpregs": [("tmp_mant", "uint64", 8, 1), ("tmp_exp", "uint16", 2, 1)],
            "env.mtrr_var": [("base", "uint64", 8, 1), ("mask", "uint64", 8, 1)],
            "env.xmm_regs[0]": [("_q_ZMMReg[0]", "uint64", 8, 1), ("_q_ZMMReg[1]", "uint64", 8, 1)],
            "env.xmm_regs[1]": [("_q_ZMMReg[2]", "uint64", 8, 1), ("_q_ZMMReg[3]", "uint64", 8, 1)],
        ]
        let nodes = CPULayout.fields.map { field in
            let inner = children[field.name].map { plain($0).fields } ?? []
            return FieldNode(
                name: field.name, type: inner.isEmpty ? "uint\(8 * field.elementSize)" : "struct", offset: field.offset,
                elementSize: field.elementSize, count: field.count, index: nil, children: inner)
        }
        return FieldLayout(fields: nodes, size: CPULayout.size)
    }()

    private static func plain(_ fields: [(name: String, type: String, size: Int, count: Int)]) -> FieldLayout {
        var layout = FieldLayout(fields: [], size: 0)
        for field in fields {
            layout.fields.append(
                FieldNode(
                    name: field.name, type: field.type, offset: layout.size, elementSize: field.size,
                    count: field.count,
                    index: nil, children: []))
            layout.size += field.size * field.count
        }
        return layout
    }
}
