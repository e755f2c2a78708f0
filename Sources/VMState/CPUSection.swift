/// The section `cpu` of an x86-64 guest: the architectural state of one virtual CPU.
///
/// A view with typed access to the fixed layout; edits go to `section`, which goes back into the stream with
/// `MigrationStream.replace`. Subsections are read through `section` (paths like `cpu/xss.env.xss`).
package struct CPUSection: Sendable, Hashable {
    /// The section's bytes with all edits.
    package private(set) var section: DeviceSection

    /// Checks that a section has the known layout.
    package init(_ section: DeviceSection) throws(VMStateError) {
        guard section.idstr == "cpu" else {
            throw VMStateError(.notFound, "this is no section of a CPU", section: section.name)
        }
        guard section.versionID == CPULayout.version else {
            throw VMStateError(
                .unsupported, "version \(section.versionID) of the CPU's format; QEMU 1.2 and later write 12",
                section: section.name)
        }
        guard section.payload.count >= CPULayout.size else {
            throw VMStateError(
                .unsupported,
                "\(section.payload.count) bytes are too few for an x86-64 CPU (\(CPULayout.size)); is it a 32-bit QEMU?",
                section: section.name)
        }
        for field in CPULayout.fields {
            let expected = field.offset..<field.offset + field.elementSize * field.count
            guard let place = try section.place(field.name), place.range == expected else {
                throw VMStateError(
                    .inconsistent, "the stream's description gives this field another place than \(expected)",
                    section: section.name, field: field.name)
            }
        }
        self.section = section
    }

    /// Number of the CPU.
    package var index: UInt32 { section.instanceID }

    /// Names of fields may be used for everything that has no property of its own.
    package func unsigned(_ path: String) throws(VMStateError) -> UInt64 { try section.unsigned(path) }

    /// Overwrites a field by name.
    package mutating func set(_ path: String, to value: UInt64) throws(VMStateError) {
        try section.set(path, to: value)
    }

    /// Whether a subsection such as `cpu/nested_state` is there.
    package func hasSubsection(_ name: String) -> Bool { section.contains(name) }

    // The initialiser has checked the payload's length, and it never changes: the default values are never used.
    func load<Value: FixedWidthInteger>(_ offset: Int, as type: Value.Type = Value.self) -> Value {
        section.integer(at: offset) ?? 0
    }

    mutating func store<Value: FixedWidthInteger>(_ value: Value, _ offset: Int) {
        section.setInteger(value, at: offset)
    }
}

extension MigrationStream {
    /// The CPUs in order of their number.
    package func cpus() throws(VMStateError) -> [CPUSection] {
        var list: [CPUSection] = []
        for section in devices(named: "cpu") { list.append(try CPUSection(section)) }
        return list.sorted { $0.index < $1.index }
    }

    /// Number of virtual CPUs.
    package var cpuCount: Int { devices.reduce(0) { $1.idstr == "cpu" ? $0 + 1 : $0 } }

    /// Puts an edited CPU back.
    package mutating func replace(_ cpu: CPUSection) throws(VMStateError) { try replace(cpu.section) }
}
