import PCDevices
import Testing
import VMState

/// IA-PC HPET Specification 1.0a with the values of QEMU's device.
@Suite struct HPETTests {
    private static let enabled: UInt64 = 1 << 2
    private static let level: UInt64 = 1 << 1
    private static let periodic: UInt64 = 1 << 3
    private static let setsValue: UInt64 = 1 << 6
    private static let is32Bit: UInt64 = 1 << 8

    private static func timer(_ index: UInt64, _ register: UInt64) -> UInt64 { 0x100 + index * 0x20 + register }

    private static func write(_ hpet: inout HPET, _ offset: UInt64, _ value: UInt64, _ now: UInt64 = 0, bytes: Int = 8)
    {
        hpet.write(offset, byteCount: bytes, value: value, now: now)
    }

    @Test func capabilitiesAreQEMUs() {
        var hpet = HPET()
        // 10,000,000 femtoseconds, vendor 8086, legacy replacement, 64 bits, three timers, revision 1.
        #expect(hpet.read(0, byteCount: 8, now: 0) == 0x0098_9680_8086_A201)
        #expect(hpet.read(4, byteCount: 4, now: 0) == 10_000_000)
        // Timer: periodic and 64 bits possible, route to input 2.
        #expect(hpet.read(Self.timer(0, 0), byteCount: 8, now: 0) == 0x0000_0004_0000_0030)
        #expect(hpet.read(Self.timer(3, 0), byteCount: 8, now: 0) == 0)
        #expect(hpet.read(0x3F8, byteCount: 8, now: 0) == 0)
    }

    @Test func theCounterRunsOnlyWhenEnabled() {
        var hpet = HPET()
        Self.write(&hpet, 0xF0, 0x1_0000_0000)
        #expect(hpet.read(0xF0, byteCount: 8, now: 1_000_000) == 0x1_0000_0000)
        Self.write(&hpet, 0x10, 1, 2_000_000)
        #expect(hpet.read(0xF0, byteCount: 8, now: 3_000_000) == 0x1_0000_0000 + 100_000)
        #expect(hpet.read(0xF4, byteCount: 4, now: 3_000_000) == 1)
        Self.write(&hpet, 0x10, 0, 4_000_000)
        #expect(hpet.read(0xF0, byteCount: 8, now: 9_000_000) == 0x1_0000_0000 + 200_000)
    }

    @Test func anEdgeIsAPulseOnTheRoute() {
        var hpet = HPET(routes: 0xFF_0104)
        Self.write(&hpet, 0x10, 1)
        Self.write(&hpet, Self.timer(2, 0), Self.enabled | 16 << 9)
        Self.write(&hpet, Self.timer(2, 8), 500)
        #expect(hpet.deadline == 5000)
        hpet.advance(to: 4999)
        #expect(hpet.takePulses() == 0)
        hpet.advance(to: 5000)
        #expect(hpet.takePulses() == 1 << 16)
        #expect(hpet.interruptLines == 0)
        #expect(hpet.deadline == nil)
    }

    @Test func aLevelStaysUntilItIsAcknowledged() {
        var hpet = HPET()
        Self.write(&hpet, 0x10, 1)
        Self.write(&hpet, Self.timer(1, 0), Self.enabled | Self.level | 2 << 9)
        Self.write(&hpet, Self.timer(1, 8), 100)
        hpet.advance(to: 1000)
        #expect(hpet.interruptLines == 1 << 2)
        #expect(hpet.read(0x20, byteCount: 4, now: 1000) == 2)
        Self.write(&hpet, 0x20, 1, 1001)
        #expect(hpet.interruptLines == 1 << 2)
        Self.write(&hpet, 0x20, 2, 1001)
        #expect(hpet.interruptLines == 0)
        #expect(hpet.takePulses() == 0)
    }

    @Test func periodicTimersAddTheirPeriod() {
        var hpet = HPET()
        Self.write(&hpet, 0x10, 1)
        // 2.3.9.2.2: with the set bit the first write is the comparator (and the period), the second the period.
        Self.write(&hpet, Self.timer(0, 0), Self.enabled | Self.periodic | Self.setsValue | 2 << 9)
        Self.write(&hpet, Self.timer(0, 8), 1000)
        #expect(hpet.read(Self.timer(0, 0), byteCount: 8, now: 0) & Self.setsValue == 0)
        Self.write(&hpet, Self.timer(0, 8), 300)
        var times: [UInt64] = []
        for _ in 0..<4 {
            guard let deadline = hpet.deadline else { break }
            times.append(deadline)
            hpet.advance(to: deadline)
            #expect(hpet.takePulses() == 4)
        }
        #expect(times == [10_000, 13_000, 16_000, 19_000])
        #expect(hpet.read(Self.timer(0, 8), byteCount: 8, now: 19_000) == 2200)
        // Late by many periods: once, and then in the old rhythm.
        hpet.advance(to: 1_000_001)
        #expect(hpet.takePulses() == 4)
        #expect(hpet.deadline == 1_003_000)
    }

    @Test func legacyReplacementTakesLines0And8() {
        var hpet = HPET()
        Self.write(&hpet, 0x10, 3)
        #expect(hpet.isLegacyReplacement)
        for index in 0...2 as ClosedRange<UInt64> {
            Self.write(&hpet, Self.timer(index, 0), Self.enabled | 2 << 9)
            Self.write(&hpet, Self.timer(index, 8), 100 * (index + 1))
        }
        hpet.advance(to: 1000)
        #expect(hpet.takePulses() == 1 << 0)
        hpet.advance(to: 2000)
        #expect(hpet.takePulses() == 1 << 8)
        hpet.advance(to: 3000)
        #expect(hpet.takePulses() == 1 << 2)
    }

    @Test func messagesGoWhereTheRouteRegisterSays() throws {
        var hpet = HPET(hasMessages: true)
        #expect(hpet.read(Self.timer(0, 0), byteCount: 4, now: 0) & 0x8000 != 0)
        Self.write(&hpet, 0x10, 1)
        Self.write(&hpet, Self.timer(0, 0x10), 0xFEE0_3000_0000_0041)
        Self.write(&hpet, Self.timer(0, 0), Self.enabled | 1 << 14)
        Self.write(&hpet, Self.timer(0, 8), 10)
        hpet.advance(to: 100)
        #expect(hpet.takeMessages() == [InterruptMessage(vector: 0x41, destination: 3)])
        #expect(hpet.takeMessages().isEmpty)
        #expect(hpet.takePulses() == 0)
        // Without the capability the bit cannot be set.
        var plain = HPET()
        Self.write(&plain, Self.timer(0, 0), 1 << 14)
        #expect(plain.read(Self.timer(0, 0), byteCount: 4, now: 0) & 1 << 14 == 0)
    }

    @Test func timersOf32BitsWrap() {
        var hpet = HPET()
        Self.write(&hpet, 0xF0, 0xFFFF_FF00)
        Self.write(&hpet, 0x10, 1)
        Self.write(&hpet, Self.timer(0, 0), Self.enabled | Self.is32Bit | 2 << 9)
        Self.write(&hpet, Self.timer(0, 8), 0x100, bytes: 4)
        // At the wrap and at the match behind it.
        hpet.advance(to: 2550)
        #expect(hpet.takePulses() == 4)
        #expect(hpet.deadline == 5120)
        hpet.advance(to: 5120)
        #expect(hpet.takePulses() == 4)
        #expect(hpet.deadline == nil)
    }

    @Test func stoppingTakesInterruptsBack() {
        var hpet = HPET()
        Self.write(&hpet, 0x10, 1)
        Self.write(&hpet, Self.timer(0, 0), Self.enabled | Self.level | 2 << 9)
        Self.write(&hpet, Self.timer(0, 8), 100)
        hpet.advance(to: 1000)
        Self.write(&hpet, Self.timer(0, 0), Self.level | 2 << 9, 1000)
        #expect(hpet.interruptLines == 0)
        Self.write(&hpet, Self.timer(0, 8), 10_000, 1000)
        Self.write(&hpet, 0x10, 0, 1100)
        #expect(hpet.deadline == nil)
    }

    @Test func oddAccessesAreHarmless() {
        var hpet = HPET()
        Self.write(&hpet, 0x10, 0xFF, bytes: 1)
        Self.write(&hpet, 0x12, 0xFFFF_FFFF, bytes: 4)
        Self.write(&hpet, .max, .max)
        #expect(hpet.read(0x10, byteCount: 1, now: 0) == 0)
        #expect(hpet.read(.max, byteCount: 8, now: 0) == 0)
        // A comparator beyond all time.
        Self.write(&hpet, 0x10, 1)
        Self.write(&hpet, Self.timer(0, 0), Self.enabled)
        Self.write(&hpet, Self.timer(0, 8), 0x7FFF_FFFF_FFFF_FFFF)
        #expect(hpet.deadline == nil)
    }
}

/// Sections in the layout of QEMU 7.2, with values of a Linux guest.
extension HPETTests {
    private static let now: UInt64 = 25_641_354_991

    private static func section(config: UInt64 = 3, timerCount: UInt8 = 3, expiry: UInt64 = .max) -> DeviceSection {
        var list = FieldList()
        list.add("config", config)
        list.add("isr", UInt64(0))
        list.add("hpet_counter", UInt64(0x8544_3128))
        list.add("num_timers", timerCount)
        for index in 0..<3 {
            let prefix = "timer[\(index)]."
            list.add(prefix + "tn", UInt8(index))
            list.add(prefix + "config", UInt64(0x0000_0004_0000_013C))
            list.add(prefix + "cmp", UInt64(0x074D_3CE2))
            list.add(prefix + "fsb", UInt64(0))
            list.add(prefix + "period", UInt64(400_000))
            list.add(prefix + "wrap_flag", UInt8(0))
            list.add(prefix + "qemu_timer", expiry)
        }
        list.add("hpet/offset.hpet_offset", UInt64(0xFFFF_FFFF_3C51_E4A5))
        return list.section("hpet", version: 2)
    }

    @Test func aSectionComesOutUnchanged() throws {
        let section = Self.section()
        var hpet = try HPET(section, now: Self.now)
        #expect(hpet.isLegacyReplacement)
        var saved = section
        try hpet.save(to: &saved, now: Self.now)
        #expect(saved == section)
        #expect(try HPET(saved, now: Self.now) == hpet)
        // The counter that QEMU wrote is that of the clock and the offset.
        #expect(hpet.read(0xF0, byteCount: 8, now: Self.now) == 0x8544_3128)
        #expect(hpet.read(0xF0, byteCount: 8, now: Self.now + 1000) == 0x8544_3128 + 100)
    }

    @Test func aLoadedTimerGoesOn() throws {
        var hpet = try HPET(Self.section(expiry: Self.now + 10), now: Self.now)
        #expect(hpet.deadline == Self.now + 10)
        hpet.advance(to: Self.now + 10)
        #expect(hpet.takePulses() == 1 << 0 | 1 << 8 | 1 << 0 | 1 << 0)
        let next = try #require(hpet.deadline)
        // Within one period of 4 ms.
        #expect(next > Self.now + 10 && next <= Self.now + 10 + 4_000_000)
    }

    @Test func damagedSectionsDoNotTrap() throws {
        #expect(throws: DeviceError.self) { try HPET(Self.section(timerCount: 200), now: 0) }
        var hpet = try HPET(Self.section(config: .max, expiry: 0), now: .max)
        hpet.advance(to: .max)
        _ = hpet.read(0xF0, byteCount: 8, now: .max)
    }
}
