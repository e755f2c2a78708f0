import VMState

extension PowerManagement {
    /// Where the fields are in the two sections.
    private struct Paths {
        let registers: String
        let subsections: String
        let memory: String
        let processors: String
        let devices: String

        init(_ chipset: Chipset) {
            switch chipset {
            case .piix4:
                registers = "ar."
                subsections = "piix4_pm/"
                devices = "acpi_pci_hotplug."
            case .ich9:
                registers = "pm.acpi_regs."
                subsections = "pm.ich9_pm/"
                devices = "pm.ich9_pm/pcihp.acpi_pci_hotplug."
            }
            memory = subsections + "memhp.acpi_memory_hotplug.selector"
            processors = subsections + "cpuhp.cpuhp_state."
        }
    }

    /// Watchdog registers: field, offset, bytes.
    private static let watchdogFields: [(name: String, offset: Int, count: Int)] = [
        ("tco.rld", 0x00, 2), ("tco.din", 0x02, 1), ("tco.dout", 0x03, 1), ("tco.sts1", 0x04, 2),
        ("tco.sts2", 0x06, 2), ("tco.cnt1", 0x08, 2), ("tco.cnt2", 0x0A, 2), ("tco.msg1", 0x0C, 1),
        ("tco.msg2", 0x0D, 1), ("tco.wdcnt", 0x0E, 1), ("sw_irq_gen", 0x10, 1), ("tco.tmr", 0x12, 2),
    ]
    private static let watchdogPrefix = "pm.ich9_pm/tco.tco_regs."

    /// Reads the power management's fields of section `.../piix4_pm` or `.../ICH9LPC`.
    ///
    /// - Parameter processorIDs: local APIC IDs of the machine's processors.
    package init(_ section: DeviceSection, chipset: Chipset, processorIDs: [UInt32]) throws(DeviceError) {
        self.init(chipset: chipset, processorIDs: processorIDs)
        let paths = Paths(chipset)
        status = try section.integerField(paths.registers + "pm1.evt.sts")
        enable = try section.integerField(paths.registers + "pm1.evt.en")
        control = try section.integerField(paths.registers + "pm1.cnt.cnt")
        overflow = try section.integerField(paths.registers + "tmr.overflow_time")
        commandPort = section.integerField("apm.apmc", default: 0)
        statusPort = section.integerField("apm.apms", default: 0)
        switch chipset {
        case .piix4:
            // QEMU writes its two bytes as a number, so that the first register is the low one.
            eventStatus = Self.bytes(try section.integerField("ar.gpe.sts"))
            eventEnable = Self.bytes(try section.integerField("ar.gpe.en"))
        case .ich9:
            eventStatus = try section.bufferField("pm.acpi_regs.gpe.sts", count: 16) ?? eventStatus
            eventEnable = try section.bufferField("pm.acpi_regs.gpe.en", count: 16) ?? eventEnable
            managementEnable = try section.integerField("pm.smi_en")
            managementStatus = try section.integerField("pm.smi_sts")
            for field in Self.watchdogFields {
                var value: UInt16 = section.integerField(Self.watchdogPrefix + field.name, default: 0)
                for index in 0..<field.count {
                    watchdog[field.offset + index] = UInt8(truncatingIfNeeded: value)
                    value >>= 8
                }
            }
        }
        try hotplug.load(section, processors: paths.processors)
        hotplug.selectedMemory = section.integerField(paths.memory, default: 0)
        hotplug.selectedBus = section.integerField(paths.devices + "hotplug_select", default: 0)
        hotplug.deviceIndex = section.integerField(paths.devices + "acpi_index", default: 0)
    }

    /// Overwrites the power management's fields.
    package func save(to section: inout DeviceSection) throws(DeviceError) {
        let paths = Paths(chipset)
        try section.setIntegerField(paths.registers + "pm1.evt.sts", to: status)
        try section.setIntegerField(paths.registers + "pm1.evt.en", to: enable)
        try section.setIntegerField(paths.registers + "pm1.cnt.cnt", to: control)
        try section.setIntegerField(paths.registers + "tmr.overflow_time", to: overflow)
        // QEMU's timer runs while the carry may interrupt, at the nanosecond below the carry's.
        var expiry = UInt64.max
        if enable & Event.timer != 0, status & Event.timer == 0 {
            expiry =
                ClockConversion.scale(
                    UInt64(max(overflow, 0)), by: ClockConversion.nanosecondsPerSecond, over: Self.timerFrequency
                ).quotient
        }
        try section.setOptionalIntegerField(paths.registers + "tmr.timer", to: expiry)
        try section.setOptionalIntegerField("apm.apmc", to: commandPort)
        try section.setOptionalIntegerField("apm.apms", to: statusPort)
        switch chipset {
        case .piix4:
            try section.setIntegerField("ar.gpe.sts", to: Self.number(eventStatus))
            try section.setIntegerField("ar.gpe.en", to: Self.number(eventEnable))
        case .ich9:
            try section.setOptionalBufferField("pm.acpi_regs.gpe.sts", to: eventStatus)
            try section.setOptionalBufferField("pm.acpi_regs.gpe.en", to: eventEnable)
            try section.setIntegerField("pm.smi_en", to: managementEnable)
            try section.setIntegerField("pm.smi_sts", to: managementStatus)
            for field in Self.watchdogFields {
                let low = UInt16(watchdog[field.offset])
                let high = field.count == 2 ? UInt16(watchdog[field.offset + 1]) << 8 : 0
                try section.setOptionalIntegerField(Self.watchdogPrefix + field.name, to: low | high)
            }
        }
        try hotplug.save(to: &section, processors: paths.processors)
        try section.setOptionalIntegerField(paths.memory, to: hotplug.selectedMemory)
        try section.setOptionalIntegerField(paths.devices + "hotplug_select", to: hotplug.selectedBus)
        try section.setOptionalIntegerField(paths.devices + "acpi_index", to: hotplug.deviceIndex)
    }

    private static func bytes(_ value: UInt16) -> [UInt8] { [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)] }
    private static func number(_ bytes: [UInt8]) -> UInt16 { UInt16(bytes[0]) | UInt16(bytes[1]) << 8 }
}

extension HotplugRegisters {
    /// The subsection is there when the guest has left the bitmap behind; it has a slot for each possible processor.
    fileprivate mutating func load(_ section: DeviceSection, processors prefix: String) throws(DeviceError) {
        guard section.contains(prefix + "selector") else { return }
        isBitmap = false
        selectedProcessor = try section.integerField(prefix + "selector")
        command = try section.integerField(prefix + "command")
        var loaded: [ProcessorSlot] = []
        while loaded.count < Self.slotLimit, let path = Self.path(section, prefix, loaded.count) {
            var slot = ProcessorSlot()
            slot.isInserting = try section.integerField(path + "is_inserting", as: UInt8.self) != 0
            slot.isRemoving = try section.integerField(path + "is_removing", as: UInt8.self) != 0
            slot.event = try section.integerField(path + "ost_event")
            slot.status = try section.integerField(path + "ost_status")
            loaded.append(slot)
        }
        slots = loaded
    }

    fileprivate func save(to section: inout DeviceSection, processors prefix: String) throws(DeviceError) {
        guard section.contains(prefix + "selector") else { return }
        try section.setIntegerField(prefix + "selector", to: selectedProcessor)
        try section.setIntegerField(prefix + "command", to: command)
        for (index, slot) in slots.enumerated() {
            guard let path = Self.path(section, prefix, index) else { return }
            try section.setIntegerField(path + "is_inserting", to: slot.isInserting ? UInt8(1) : 0)
            try section.setIntegerField(path + "is_removing", to: slot.isRemoving ? UInt8(1) : 0)
            try section.setIntegerField(path + "ost_event", to: slot.event)
            try section.setIntegerField(path + "ost_status", to: slot.status)
        }
    }

    /// Prefix of a slot's fields; a single slot is no array for the description.
    private static func path(_ section: DeviceSection, _ prefix: String, _ index: Int) -> String? {
        let path = "\(prefix)devs[\(index)]."
        if section.contains(path + "is_inserting") { return path }
        let single = "\(prefix)devs."
        return index == 0 && section.contains(single + "is_inserting") ? single : nil
    }
}
