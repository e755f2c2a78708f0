import PCDevices
import Testing
import VMState

/// Motorola MC146818 data sheet.
@Suite struct RealTimeClockTests {
    private static let second: UInt64 = 1_000_000_000
    /// 2026-11-29 08:47:52 UTC, a Sunday.
    private static let date: Int64 = 1_795_942_072

    private static func read(_ clock: inout RealTimeClock, _ register: UInt64, at now: UInt64) -> UInt64 {
        clock.write(0, byteCount: 1, value: register, now: now)
        return clock.read(1, byteCount: 1, now: now)
    }

    private static func write(_ clock: inout RealTimeClock, _ register: UInt64, _ value: UInt64, at now: UInt64) {
        clock.write(0, byteCount: 1, value: register, now: now)
        clock.write(1, byteCount: 1, value: value, now: now)
    }

    private static func time(_ clock: inout RealTimeClock, at now: UInt64) -> [UInt64] {
        [0x32, 9, 8, 7, 6, 4, 2, 0].map { read(&clock, $0, at: now) }
    }

    @Test func theDateIsDecimal() {
        var clock = RealTimeClock(secondsSince1970: Self.date, now: 0)
        #expect(Self.time(&clock, at: 0) == [0x20, 0x26, 0x11, 0x29, 0x01, 0x08, 0x47, 0x52])
        #expect(Self.time(&clock, at: 10 * Self.second) == [0x20, 0x26, 0x11, 0x29, 0x01, 0x08, 0x48, 0x02])
        // Over a year's end: 33 days later it is Friday, 2027-01-01.
        let later = 33 * 86_400 * Self.second
        #expect(Self.time(&clock, at: later) == [0x20, 0x27, 0x01, 0x01, 0x06, 0x08, 0x47, 0x52])
        #expect(Self.read(&clock, 13, at: later) == 0x80)
    }

    @Test(
        arguments: [
            (951_782_400, [0x20, 0x00, 0x02, 0x29, 0x03]), (4_107_542_399, [0x21, 0x00, 0x02, 0x28, 0x01]),
            (0, [0x19, 0x70, 0x01, 0x01, 0x05]),
        ] as [(Int64, [UInt64])])
    func leapDays(seconds: Int64, expected: [UInt64]) {
        var clock = RealTimeClock(secondsSince1970: seconds, now: 0)
        #expect(Array(Self.time(&clock, at: 0).prefix(5)) == expected)
    }

    @Test(
        arguments: [
            (0, 0x12), (1, 0x01), (11, 0x11), (12, 0x92), (13, 0x81), (23, 0x91),
        ] as [(Int64, UInt64)])
    func twelveHours(hour: Int64, expected: UInt64) {
        var clock = RealTimeClock(secondsSince1970: hour * 3600, now: 0)
        Self.write(&clock, 11, 0x00, at: 0)
        #expect(Self.read(&clock, 4, at: 0) == expected)
        // Taking it over by the end of SET gives the same hour.
        Self.write(&clock, 11, 0x80, at: 0)
        Self.write(&clock, 11, 0x00, at: 0)
        Self.write(&clock, 11, 0x06, at: 0)
        #expect(Self.read(&clock, 4, at: 0) == UInt64(hour))
    }

    @Test func setFreezesTheRegisters() {
        var clock = RealTimeClock(secondsSince1970: Self.date, now: 0)
        Self.write(&clock, 11, 0x82, at: 0)
        Self.write(&clock, 4, 0x23, at: 5 * Self.second)
        Self.write(&clock, 2, 0x59, at: 5 * Self.second)
        Self.write(&clock, 0, 0x58, at: 5 * Self.second)
        #expect(Self.time(&clock, at: 9 * Self.second).suffix(3) == [0x23, 0x59, 0x58])
        Self.write(&clock, 11, 0x02, at: 10 * Self.second)
        #expect(Self.time(&clock, at: 13 * Self.second) == [0x20, 0x26, 0x11, 0x30, 0x02, 0x00, 0x00, 0x01])
    }

    @Test func updatesAreAnnounced() {
        var clock = RealTimeClock(secondsSince1970: Self.date, now: 0)
        #expect(Self.read(&clock, 10, at: 0) == 0x26)
        #expect(Self.read(&clock, 10, at: Self.second - 245_000) == 0x26)
        // t BUC: 244 microseconds before an update.
        #expect(Self.read(&clock, 10, at: Self.second - 244_000) == 0xA6)
        #expect(Self.read(&clock, 10, at: Self.second) == 0x26)
        Self.write(&clock, 11, 0x82, at: Self.second)
        #expect(Self.read(&clock, 10, at: 2 * Self.second - 1) == 0x26)
    }

    @Test func theDividersResetStartsHalfASecondLate() {
        var clock = RealTimeClock(secondsSince1970: Self.date, now: 0)
        Self.write(&clock, 10, 0x76, at: 0)
        #expect(Self.read(&clock, 0, at: 5 * Self.second) == 0x52)
        Self.write(&clock, 10, 0x26, at: 5 * Self.second)
        #expect(Self.read(&clock, 0, at: 5 * Self.second + 499_999_999) == 0x52)
        #expect(Self.read(&clock, 0, at: 5 * Self.second + 500_000_000) == 0x53)
    }

    @Test(arguments: [(1, 256), (2, 128), (3, 8192), (6, 1024), (15, 2)] as [(UInt64, UInt64)])
    func periodicRates(rate: UInt64, frequency: UInt64) throws {
        var clock = RealTimeClock(secondsSince1970: Self.date, now: 0)
        Self.write(&clock, 10, 0x20 | rate, at: 0)
        Self.write(&clock, 11, 0x42, at: 0)
        var count: UInt64 = 0
        while let deadline = clock.deadline, deadline <= Self.second {
            clock.advance(to: deadline)
            #expect(clock.interruptLine)
            // PF and IRQF, and the update's flag in the last second.
            #expect(Self.read(&clock, 12, at: deadline) & 0xC0 == 0xC0)
            #expect(!clock.interruptLine)
            count += 1
        }
        #expect(count == frequency)
    }

    @Test func updateEndedInterruptsEverySecond() {
        var clock = RealTimeClock(secondsSince1970: Self.date, now: 300)
        Self.write(&clock, 11, 0x12, at: 400)
        #expect(clock.deadline == Self.second + 300)
        clock.advance(to: Self.second + 300)
        #expect(clock.interruptLine)
        #expect(clock.deadline == nil)
        #expect(Self.read(&clock, 12, at: Self.second + 400) == 0x90)
        #expect(clock.deadline == 2 * Self.second + 300)
    }

    @Test func flagsAreSetWithoutInterrupts() {
        var clock = RealTimeClock(secondsSince1970: Self.date, now: 0)
        #expect(clock.deadline == nil)
        #expect(Self.read(&clock, 12, at: 5 * Self.second) == 0x10)
        #expect(Self.read(&clock, 12, at: 5 * Self.second) == 0)
        // Enabling the interrupt of a flag that is set requests it.
        clock.advance(to: 7 * Self.second)
        Self.write(&clock, 11, 0x12, at: 7 * Self.second)
        #expect(clock.interruptLine)
        Self.write(&clock, 11, 0x02, at: 7 * Self.second)
        #expect(!clock.interruptLine)
    }

    @Test(
        arguments: [
            // Alarm at 08:47:55, 08:48:00, 07:00:00 tomorrow; every minute at second 10; every second.
            ([0x55, 0x47, 0x08], 3), ([0x00, 0x48, 0x08], 8), ([0x00, 0x00, 0x07], 79_928),
            ([0x10, 0xFF, 0xFF], 18), ([0xC0, 0xC0, 0xC0], 1), ([0x52, 0x47, 0x08], 86_400),
            ([0x51, 0x47, 0xFF], 3599),
        ] as [([UInt64], UInt64)])
    func alarms(alarm: [UInt64], seconds: UInt64) {
        var clock = RealTimeClock(secondsSince1970: Self.date, now: 0)
        for (index, value) in alarm.enumerated() { Self.write(&clock, [1, 3, 5][index], value, at: 0) }
        Self.write(&clock, 11, 0x22, at: 0)
        #expect(clock.deadline == seconds * Self.second)
        clock.advance(to: seconds * Self.second - 1)
        #expect(!clock.interruptLine)
        clock.advance(to: seconds * Self.second)
        #expect(clock.interruptLine)
        #expect(Self.read(&clock, 12, at: seconds * Self.second) == 0xB0)
    }

    @Test func memoryIsKeptAndThePortsAreAddressed() {
        var clock = RealTimeClock(secondsSince1970: Self.date, now: 0)
        Self.write(&clock, 0x8F, 0x5A, at: 0)
        #expect(clock.isNonMaskableInterruptDisabled)
        #expect(Self.read(&clock, 0x0F, at: 0) == 0x5A)
        #expect(!clock.isNonMaskableInterruptDisabled)
        #expect(clock.read(0, byteCount: 1, now: 0) == 0xFF)
        #expect(Self.read(&clock, 0x37, at: 0) == 0x20)
        Self.write(&clock, 13, 0, at: 0)
        #expect(Self.read(&clock, 13, at: 0) == 0x80)
    }

    @Test func nonsenseDatesDoNotTrap() {
        var clock = RealTimeClock(secondsSince1970: .max, now: 0)
        for value in [0xFF, 0x00, 0x99] as [UInt64] {
            for register in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x32] as [UInt64] {
                Self.write(&clock, register, value, at: 1)
            }
            _ = Self.time(&clock, at: .max)
        }
    }
}

/// Sections in the layout of QEMU 7.2, with values of a Linux guest.
extension RealTimeClockTests {
    private static let lastUpdate: UInt64 = 1_795_942_042_509_280_000
    private static let virtual: UInt64 = 25_641_354_991

    private static func section(
        lastUpdate: UInt64 = lastUpdate, periodic: UInt64 = .max, registerB: UInt8 = 0x02
    ) -> DeviceSection {
        var memory = [UInt8](repeating: 0, count: 128)
        let registers: [UInt8] = [0x52, 0, 0x47, 0, 0x08, 0, 1, 0x29, 0x11, 0x26, 0x26, registerB, 0x10, 0x80]
        memory.replaceSubrange(0..<registers.count, with: registers)
        memory[0x32] = 0x20
        var list = FieldList()
        list.add("cmos_data", bytes: memory)
        list.add("cmos_index", UInt8(0))
        list.add("unused[0]", bytes: [UInt8](repeating: 7, count: 28))
        list.add("periodic_timer", periodic)
        list.add("next_periodic_time", periodic == .max ? Int64(0) : Int64(truncatingIfNeeded: periodic))
        list.add("unused[1]", bytes: [UInt8](repeating: 7, count: 24))
        list.add("irq_coalesced", UInt32(0))
        list.add("period", periodic == .max ? UInt32(0) : 32)
        // 30 seconds before the registers' date.
        list.add("base_rtc", UInt64(1_795_942_042))
        list.add("last_update", lastUpdate)
        list.add("offset", Int64(0))
        list.add("update_timer", lastUpdate &+ 54_758 * second)
        list.add("next_alarm_time", lastUpdate &+ 54_758 * second)
        return list.section("mc146818rtc")
    }

    @Test func aSectionComesOutUnchanged() throws {
        let section = Self.section()
        var clock = try RealTimeClock(section, now: Self.virtual)
        var saved = section
        try clock.save(to: &saved, now: Self.virtual)
        #expect(saved == section)
        #expect(try RealTimeClock(saved, now: Self.virtual) == clock)
        #expect(Self.time(&clock, at: Self.virtual) == [0x20, 0x26, 0x11, 0x29, 0x01, 0x08, 0x47, 0x52])
        #expect(Self.time(&clock, at: Self.virtual + 9 * Self.second).last == 0x01)
    }

    @Test func theAlarmOfTheSectionFollowsTheVirtualClock() throws {
        var section = Self.section()
        var memory = try section.bytes("cmos_data")
        memory[11] = 0x22
        try section.set("cmos_data", toBytes: memory)
        let clock = try RealTimeClock(section, now: Self.virtual)
        // The registers show 30 seconds since the date was set; the alarm comes 54,758 seconds after that.
        #expect(clock.deadline == Self.virtual + (54_758 - 30) * Self.second)
    }

    @Test func aPeriodicInterruptPlacesTheClock() throws {
        // 0.7 seconds into the second that the registers show.
        let previous = Self.lastUpdate + 30 * Self.second + 700_000_000
        let clock = try RealTimeClock(Self.section(periodic: previous + 976_563, registerB: 0x42), now: Self.virtual)
        let deadline = try #require(clock.deadline)
        #expect(deadline > Self.virtual && deadline <= Self.virtual + 976_563)
    }

    /// A section can stand for any date; four digits of the year are shown, counted from a multiple of 10,000 below it.
    @Test func datesBeforeTheFirstYear() {
        var clock = RealTimeClock(secondsSince1970: -100_000_000_000, now: 0)
        #expect(Self.time(&clock, at: 0).prefix(2) == [0x88, 0x01])
        clock = RealTimeClock(secondsSince1970: .min, now: 0)
        clock.advance(to: 2 * Self.second)
    }

    @Test func theVirtualClockItselfIsRecognised() throws {
        let clock = try RealTimeClock(Self.section(lastUpdate: 1000), now: 30 * Self.second + 5000)
        #expect(clock.clockOffset == 0)
    }

    @Test func damagedSectionsDoNotTrap() throws {
        var clock = try RealTimeClock(Self.section(lastUpdate: .max, periodic: 1), now: .max)
        clock.advance(to: .max)
        _ = clock.deadline
        _ = Self.time(&clock, at: .max)
        var list = FieldList()
        list.add("cmos_data", bytes: [1, 2, 3])
        #expect(throws: DeviceError.self) { try RealTimeClock(list.section("mc146818rtc"), now: 0) }
    }
}
