import VMState

extension RealTimeClock {
    /// Reads section `mc146818rtc`.
    ///
    /// The section does not say where the device's clock stood when it was written (by default it is the host's). It follows from the
    /// registers, which QEMU brings up to date before it writes: to the second, and closer where a periodic interrupt is pending.
    ///
    /// - Parameter now: the virtual clock at the snapshot.
    package init(_ section: DeviceSection, now: UInt64) throws(DeviceError) {
        guard let memory = try section.bufferField("cmos_data", count: 128) else {
            throw DeviceError(.malformed, "section \(section.name) has no field cmos_data")
        }
        self.init(memory: memory)
        index = try section.integerField("cmos_index", as: UInt8.self) & 0x7F
        baseTime = try section.integerField("base_rtc")
        lastUpdate = try section.integerField("last_update")
        offset = try section.integerField("offset")
        nextPeriodic = try section.integerField("next_periodic_time")
        period = section.integerField("period", default: 0)
        nextAlarm = try section.integerField("next_alarm_time")
        let timers: [UInt64] = [
            try section.integerField("periodic_timer"), try section.integerField("update_timer"),
        ]
        periodicExpiry = timers[0] == .max ? nil : timers[0]
        updateExpiry = timers[1] == .max ? nil : timers[1]
        clockOffset = estimatedClock(virtual: now) &- now
    }

    /// The device's clock at the moment of the snapshot.
    private func estimatedClock(virtual now: UInt64) -> UInt64 {
        guard isRunning else { return lastUpdate }
        var copy = self
        copy.takeTime(clock: 0)
        // The clock at the beginning of the second that the registers show.
        let seconds = UInt64(bitPattern: copy.baseTime &- baseTime)
        let earliest = lastUpdate &- UInt64(bitPattern: offset) &+ seconds &* Self.second
        // `-rtc clock=vm`: the virtual clock itself.
        if now &- earliest < Self.second { return now }
        guard let periodicExpiry, period != 0 else { return earliest }
        let previous = periodicExpiry &- Self.oscillator.nanoseconds(after: UInt64(period))
        return previous &- earliest < Self.second ? previous : earliest
    }

    /// Overwrites section `mc146818rtc`. The date is that of `now`.
    package func save(to section: inout DeviceSection, now: UInt64) throws(DeviceError) {
        var copy = self
        if isRunning { copy.showTime(clock: now &+ clockOffset) }
        try section.setOptionalBufferField("cmos_data", to: copy.memory)
        try section.setIntegerField("cmos_index", to: index)
        try section.setIntegerField("base_rtc", to: baseTime)
        try section.setIntegerField("last_update", to: lastUpdate)
        try section.setIntegerField("offset", to: offset)
        try section.setIntegerField("next_periodic_time", to: nextPeriodic)
        try section.setOptionalIntegerField("period", to: period)
        try section.setIntegerField("next_alarm_time", to: nextAlarm)
        try section.setIntegerField("periodic_timer", to: periodicExpiry ?? .max)
        try section.setIntegerField("update_timer", to: updateExpiry ?? .max)
    }
}
