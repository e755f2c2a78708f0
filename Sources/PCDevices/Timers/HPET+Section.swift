import VMState

extension HPET {
    /// Reads section `hpet`.
    ///
    /// - Parameter now: the virtual clock at the snapshot, from which older versions of the section take the counter's offset.
    package init(_ section: DeviceSection, now: UInt64) throws(DeviceError) {
        let count = Int(section.integerField("num_timers", default: UInt8(3)))
        guard Self.timerCounts.contains(count) else {
            throw DeviceError(.malformed, "section \(section.name) has \(count) timers, QEMU has 3 to 24")
        }
        var timers: [Comparator] = []
        for index in 0..<count { timers.append(try Comparator(section, "timer[\(index)].")) }
        self.init(timers: timers)
        configuration = try section.integerField("config")
        status = try section.integerField("isr")
        haltedCounter = try section.integerField("hpet_counter")
        offset = section.integerField("hpet/offset.hpet_offset", default: haltedCounter &* Self.period &- now)
        realTimeClockLine = section.integerField("hpet/rtc_irq_level.rtc_irq_level", default: UInt8(0)) != 0
    }

    /// What the section has to have beside its fields.
    package var neededSubsections: [NeededSubsection] {
        guard realTimeClockLine else { return [] }
        return [NeededSubsection("hpet/rtc_irq_level", fields: [.integer("rtc_irq_level", "uint8", UInt8(1))])]
    }

    /// Overwrites section `hpet`.
    package func save(to section: inout DeviceSection, now: UInt64) throws(DeviceError) {
        guard section.integerField("num_timers", default: UInt8(3)) == timers.count else {
            throw DeviceError(.malformed, "section \(section.name) has another number of timers than the device")
        }
        try section.setIntegerField("config", to: configuration)
        try section.setIntegerField("isr", to: status)
        try section.setIntegerField("hpet_counter", to: counter(now))
        for (index, timer) in timers.enumerated() { try timer.save(to: &section, "timer[\(index)].") }
        try section.setOptionalIntegerField("hpet/offset.hpet_offset", to: offset)
        try section.setOptionalIntegerField("hpet/rtc_irq_level.rtc_irq_level", to: realTimeClockLine ? UInt8(1) : 0)
    }
}

extension HPET.Comparator {
    fileprivate init(_ section: DeviceSection, _ prefix: String) throws(DeviceError) {
        configuration = try section.integerField(prefix + "config")
        comparator = try section.integerField(prefix + "cmp")
        messageRoute = try section.integerField(prefix + "fsb")
        period = try section.integerField(prefix + "period")
        expiresAtWrap = try section.integerField(prefix + "wrap_flag", as: UInt8.self) != 0
        let time = try section.integerField(prefix + "qemu_timer", as: UInt64.self)
        expiry = time == .max ? nil : time
    }

    fileprivate func save(to section: inout DeviceSection, _ prefix: String) throws(DeviceError) {
        try section.setIntegerField(prefix + "config", to: configuration)
        try section.setIntegerField(prefix + "cmp", to: comparator)
        try section.setIntegerField(prefix + "fsb", to: messageRoute)
        try section.setIntegerField(prefix + "period", to: period)
        try section.setIntegerField(prefix + "wrap_flag", to: expiresAtWrap ? UInt8(1) : 0)
        try section.setIntegerField(prefix + "qemu_timer", to: expiry ?? .max)
    }
}
