import VMState

extension IntervalTimer {
    /// Reads sections `i8254` and `pcspk` (nil for a machine without a speaker).
    ///
    /// What the sections do not have - a count still missing behind a control word, a closed gate's frozen count - starts as
    /// QEMU goes on: counting.
    ///
    /// - Parameter now: the virtual clock at the snapshot. Edges before it are not delivered again.
    package init(_ section: DeviceSection, speaker: DeviceSection?, now: UInt64) throws(DeviceError) {
        var channels: [Channel] = []
        for index in 0..<3 { channels.append(try Channel(section, "channels[\(index)].")) }
        self.init(
            channels: channels,
            isInterruptDisabled: section.integerField("channels[0].irq_disabled", default: UInt32(0)) != 0,
            nextTransition: try section.integerField("channels[0].next_transition_time"), now: now)
        if let speaker {
            isSpeakerOn = try speaker.integerField("data_on", as: UInt8.self) & 1 != 0
            refresh = try speaker.integerField("dummy_refresh_clock", as: UInt8.self) & 0x10 != 0
        }
    }

    /// Overwrites section `i8254`.
    package func save(to section: inout DeviceSection) throws(DeviceError) {
        try section.setOptionalIntegerField("channels[0].irq_disabled", to: isInterruptDisabled ? UInt32(1) : 0)
        for index in 0..<3 { try channels[index].save(to: &section, "channels[\(index)].") }
        // The path means the field behind the array: QEMU reads it last.
        try section.setIntegerField("channels[0].next_transition_time", to: nextTransition)
    }

    /// Overwrites section `pcspk`.
    package func save(toSpeaker section: inout DeviceSection) throws(DeviceError) {
        try section.setIntegerField("data_on", to: isSpeakerOn ? UInt8(1) : 0)
        try section.setIntegerField("dummy_refresh_clock", to: refresh ? UInt8(0x10) : 0)
    }
}

extension IntervalTimer.Channel {
    fileprivate init(_ section: DeviceSection, _ prefix: String) throws(DeviceError) {
        // QEMU divides by the count: 0 never comes from it.
        count = min(max(try section.integerField(prefix + "count"), 1), 0x10000)
        latchedCount = try section.integerField(prefix + "latched_count")
        countLatch = try section.integerField(prefix + "count_latched", as: UInt8.self) & 3
        isStatusLatched = try section.integerField(prefix + "status_latched", as: UInt8.self) != 0
        status = try section.integerField(prefix + "status")
        readState = try section.integerField(prefix + "read_state")
        writeState = try section.integerField(prefix + "write_state")
        writeLatch = try section.integerField(prefix + "write_latch")
        access = try section.integerField(prefix + "rw_mode", as: UInt8.self) & 3
        programmedMode = try section.integerField(prefix + "mode", as: UInt8.self) & 7
        isDecimal = try section.integerField(prefix + "bcd", as: UInt8.self) & 1 != 0
        gate = try section.integerField(prefix + "gate", as: UInt8.self) & 1 != 0
        loadTime = try section.integerField(prefix + "count_load_time")
    }

    fileprivate func save(to section: inout DeviceSection, _ prefix: String) throws(DeviceError) {
        try section.setIntegerField(prefix + "count", to: count)
        try section.setIntegerField(prefix + "latched_count", to: latchedCount)
        try section.setIntegerField(prefix + "count_latched", to: countLatch)
        try section.setIntegerField(prefix + "status_latched", to: isStatusLatched ? UInt8(1) : 0)
        try section.setIntegerField(prefix + "status", to: status)
        try section.setIntegerField(prefix + "read_state", to: readState)
        try section.setIntegerField(prefix + "write_state", to: writeState)
        try section.setIntegerField(prefix + "write_latch", to: writeLatch)
        try section.setIntegerField(prefix + "rw_mode", to: access)
        try section.setIntegerField(prefix + "mode", to: programmedMode)
        try section.setIntegerField(prefix + "bcd", to: isDecimal ? UInt8(1) : 0)
        try section.setIntegerField(prefix + "gate", to: gate ? UInt8(1) : 0)
        try section.setIntegerField(prefix + "count_load_time", to: loadTime)
    }
}
