import VMState

// Sections `i8259` of QEMU, instance 0 (ports 0x20) and 1 (0xA0), by TCG and by KVM; subsection `i8259/ltim` of QEMU
// 9.1 and later when ICW1 made all inputs level triggered.
extension InterruptControllerPair {
    /// Reads the sections `i8259` of both controllers.
    package init(primary: DeviceSection, secondary: DeviceSection) throws(DeviceError) {
        try self.primary.load(ControllerFields(primary))
        try self.secondary.load(ControllerFields(secondary))
    }

    /// Writes the fields of both sections.
    package func save(toPrimary first: inout DeviceSection, secondary second: inout DeviceSection) throws(DeviceError) {
        first = try primary.save(first)
        second = try secondary.save(second)
    }
}

extension Intel8259 {
    private static let levelModeField = "i8259/ltim.ltim"

    fileprivate mutating func load(_ fields: ControllerFields) throws(DeviceError) {
        lines = try fields.value("last_irr")
        requested = try fields.value("irr")
        mask = try fields.value("imr")
        inService = try fields.value("isr")
        first = try fields.value("priority_add")
        vectorBase = try fields.value("irq_base")
        guard first < 8, vectorBase & 7 == 0 else { throw fields.unfit(first < 8 ? "irq_base" : "priority_add") }
        readsInService = try fields.value("read_reg_select", as: UInt8.self) != 0
        isPolled = try fields.value("poll", as: UInt8.self) != 0
        isSpecialMask = try fields.value("special_mask", as: UInt8.self) != 0
        guard let state = Initialization(rawValue: try fields.value("init_state")) else {
            throw fields.unfit("init_state")
        }
        initialization = state
        isAutomaticEnd = try fields.value("auto_eoi", as: UInt8.self) != 0
        rotatesOnAutomaticEnd = try fields.value("rotate_on_auto_eoi", as: UInt8.self) != 0
        isSpecialFullyNested = try fields.value("special_fully_nested_mode", as: UInt8.self) != 0
        expectsMode = try fields.value("init4", as: UInt8.self) != 0
        isSingle = try fields.optional("single_mode", as: UInt8.self) ?? 0 != 0
        levelTriggered = try fields.value("elcr")
        isLevelMode = try fields.optional(Self.levelModeField, as: UInt8.self) ?? 0 != 0
    }

    fileprivate func save(_ section: DeviceSection) throws(DeviceError) -> DeviceSection {
        var fields = ControllerFields(section)
        try fields.set("last_irr", UInt64(lines))
        try fields.set("irr", UInt64(requested))
        try fields.set("imr", UInt64(mask))
        try fields.set("isr", UInt64(inService))
        try fields.set("priority_add", UInt64(first))
        try fields.set("irq_base", UInt64(vectorBase))
        try fields.set("read_reg_select", readsInService)
        try fields.set("poll", isPolled)
        try fields.set("special_mask", isSpecialMask)
        try fields.set("init_state", UInt64(initialization.rawValue))
        try fields.set("auto_eoi", isAutomaticEnd)
        try fields.set("rotate_on_auto_eoi", rotatesOnAutomaticEnd)
        try fields.set("special_fully_nested_mode", isSpecialFullyNested)
        try fields.set("init4", expectsMode)
        if section.contains("single_mode") { try fields.set("single_mode", isSingle) }
        try fields.set("elcr", UInt64(levelTriggered))
        if section.contains(Self.levelModeField) { try fields.set(Self.levelModeField, isLevelMode) }
        return fields.section
    }
}
