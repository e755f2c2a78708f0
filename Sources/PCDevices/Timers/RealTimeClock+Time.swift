extension RealTimeClock {
    /// The date that the clock stands for: seconds since 1970 and nanoseconds of the second.
    func guestTime(clock: UInt64) -> (seconds: Int64, nanoseconds: UInt64) {
        let elapsed = Int64(bitPattern: clock &- lastUpdate) &+ offset
        let second = Int64(Self.second)
        let remainder = elapsed % second
        let isNegative = remainder < 0
        return (
            baseTime &+ elapsed / second &- (isNegative ? 1 : 0), UInt64(isNegative ? remainder + second : remainder)
        )
    }

    /// Puts the date into the registers, unless software is setting them.
    mutating func showTime(clock: UInt64) {
        guard !has(Bit.set, in: Register.b) else { return }
        let time = CalendarTime(secondsSince1970: guestTime(clock: clock).seconds)
        memory[Register.seconds] = encode(time.second)
        memory[Register.minutes] = encode(time.minute)
        if has(Bit.hours24, in: Register.b) {
            memory[Register.hours] = encode(time.hour)
        } else {
            memory[Register.hours] = encode(time.hour % 12 == 0 ? 12 : time.hour % 12) | (time.hour >= 12 ? 0x80 : 0)
        }
        memory[Register.weekday] = encode(time.weekday + 1)
        memory[Register.day] = encode(time.day)
        memory[Register.month] = encode(time.month)
        // A damaged section may stand for a year before the first.
        let year = (time.year % 10_000 + 10_000) % 10_000
        memory[Register.year] = encode(year % 100)
        memory[Register.century] = encode(year / 100)
    }

    /// Takes the date from the registers.
    mutating func takeTime(clock: UInt64) {
        let time = CalendarTime(
            year: decode(memory[Register.year]) + 100 * decode(memory[Register.century]),
            month: decode(memory[Register.month]), day: decode(memory[Register.day]),
            hour: decodeHour(memory[Register.hours]), minute: decode(memory[Register.minutes]),
            second: decode(memory[Register.seconds]))
        baseTime = time.secondsSince1970
        lastUpdate = clock
    }

    /// The update cycle has been announced.
    func isUpdateNear(clock: UInt64) -> Bool {
        isRunning && guestTime(clock: clock).nanoseconds >= Self.second - Self.updateNotice
    }

    /// Seconds (1 to 86,400) until the alarm, counted from the beginning of a second; nil if its registers fit no time.
    ///
    /// Alarm bytes from 0xC0 mean "every" (data sheet, "Time, Calendar, and Alarm Locations").
    func secondsToAlarm(after seconds: Int64) -> Int64? {
        let second = alarm(Register.secondsAlarm).map(decode)
        let minute = alarm(Register.minutesAlarm).map(decode)
        let hour = alarm(Register.hoursAlarm).map(decodeHour)
        guard (second ?? 0) < 60, (minute ?? 0) < 60, (hour ?? 0) < 24 else { return nil }
        let day = Int64(CalendarTime.secondsPerDay)
        let now = Int((seconds % day + day) % day)
        // A candidate only grows, and every field gets its final value in at most three rounds over a day's end.
        var candidate = now + 1
        for _ in 0..<12 {
            let time = candidate % CalendarTime.secondsPerDay
            if let hour, time / 3600 != hour {
                candidate += (hour * 3600 - time + CalendarTime.secondsPerDay) % CalendarTime.secondsPerDay
            } else if let minute, time / 60 % 60 != minute {
                candidate += ((minute * 60 - time % 3600 + 3600) % 3600)
            } else if let second, time % 60 != second {
                candidate += (second - time % 60 + 60) % 60
            } else {
                return Int64(candidate - now)
            }
        }
        return nil
    }

    private func alarm(_ register: Int) -> UInt8? { memory[register] & 0xC0 == 0xC0 ? nil : memory[register] }

    private func encode(_ value: Int) -> UInt8 {
        has(Bit.binary, in: Register.b) ? UInt8(truncatingIfNeeded: value) : UInt8((value / 10 % 10) << 4 | value % 10)
    }

    private func decode(_ byte: UInt8) -> Int {
        has(Bit.binary, in: Register.b) ? Int(byte) : Int(byte >> 4) * 10 + Int(byte & 0x0F)
    }

    /// In the mode of 12 hours bit 7 means the afternoon, and 12 comes before 1.
    private func decodeHour(_ byte: UInt8) -> Int {
        has(Bit.hours24, in: Register.b) ? decode(byte) : decode(byte & 0x7F) % 12 + (byte & 0x80 != 0 ? 12 : 0)
    }
}
