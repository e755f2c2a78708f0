import VMState

// Section `ioapic` of QEMU (version 3), by TCG and by KVM. `irr` means nearly the same in both: the lines of
// level-triggered pins, and edges that did not go out. KVM also leaves an edge there that came while the one before was
// still up, and sends it again when it loads the section.
extension IOAPIC {
    /// Reads a section `ioapic`.
    package init(_ section: DeviceSection) throws(DeviceError) {
        let fields = ControllerFields(section)
        self.init()
        id = try fields.value("id")
        selected = try fields.value("ioregsel")
        requested = try fields.optional("irr") ?? 0
        entries = try fields.values("ioredtbl", count: Self.pinCount)
        lines = requested & Self.allPins
    }

    /// Writes the fields of a section `ioapic`. The board takes the messages before.
    package func save(to section: inout DeviceSection) throws(DeviceError) {
        var fields = ControllerFields(section)
        try fields.set("id", UInt64(id))
        try fields.set("ioregsel", UInt64(selected))
        if section.contains("irr") { try fields.set("irr", UInt64(requested)) }
        try fields.set("ioredtbl", entries)
        section = fields.section
    }
}
