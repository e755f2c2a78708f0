import PCDevices
import Testing
import VMState

/// Intel 8254 data sheet: counts, modes, latches, read-back; the board's side: pulses and deadlines.
@Suite struct IntervalTimerTests {
    private static let frequency: UInt64 = 1_193_182

    /// The earliest nanosecond at which that many clocks are over.
    private static func time(_ clocks: UInt64) -> UInt64 {
        (clocks * 1_000_000_000 + frequency - 1) / frequency
    }

    /// A timer whose counter is programmed with a control word and a 16-bit count at time 0.
    private static func programmed(_ counter: UInt64, mode: UInt64, count: UInt64, isDecimal: Bool = false)
        -> IntervalTimer
    {
        var timer = IntervalTimer(now: 0)
        if counter == 2 { timer.writeSpeaker(1, now: 0) }
        timer.write(3, byteCount: 1, value: counter << 6 | 0x30 | mode << 1 | (isDecimal ? 1 : 0), now: 0)
        timer.write(counter, byteCount: 1, value: count & 0xFF, now: 0)
        timer.write(counter, byteCount: 1, value: count >> 8, now: 0)
        _ = timer.takePulses()
        return timer
    }

    private static func counter(_ timer: inout IntervalTimer, _ index: UInt64, at now: UInt64) -> UInt64 {
        timer.write(3, byteCount: 1, value: index << 6, now: now)
        let low = timer.read(index, byteCount: 1, now: now)
        return low | timer.read(index, byteCount: 1, now: now) << 8
    }

    /// OUT of counter 2, through port 0x61.
    private static func output(_ timer: inout IntervalTimer, at now: UInt64) -> Bool {
        timer.readSpeaker(now: now) & 0x20 != 0
    }

    @Test(arguments: [(0, 1000), (1, 999), (400, 600), (1000, 0), (1001, 0xFFFF)] as [(UInt64, UInt64)])
    func mode0CountsDownAndWraps(clocks: UInt64, expected: UInt64) {
        var timer = Self.programmed(2, mode: 0, count: 1000)
        #expect(Self.counter(&timer, 2, at: Self.time(clocks)) == expected)
        #expect(Self.output(&timer, at: Self.time(clocks)) == (clocks >= 1000))
    }

    @Test func mode0InterruptsOnce() {
        var timer = Self.programmed(0, mode: 0, count: 1000)
        #expect(timer.deadline == Self.time(1000))
        timer.advance(to: Self.time(1000) - 1)
        #expect(timer.takePulses() == 0)
        timer.advance(to: Self.time(1000))
        #expect(timer.takePulses() == 1)
        timer.advance(to: Self.time(1_000_000))
        #expect(timer.takePulses() == 0)
        #expect(timer.deadline == nil)
    }

    @Test func mode0IsLowBehindItsControlWordAndWaitsForTheCount() {
        var timer = Self.programmed(2, mode: 3, count: 1000)
        #expect(Self.output(&timer, at: 0))
        timer.write(3, byteCount: 1, value: 0xB0, now: 0)
        #expect(!Self.output(&timer, at: Self.time(100_000)))
        // Read-back of the status: null count (bit 6), both bytes, mode 0.
        timer.write(3, byteCount: 1, value: 0xE8, now: 0)
        #expect(timer.read(2, byteCount: 1, now: 0) == 0x70)
    }

    @Test func mode1IsALowPulseAfterTheGateRises() {
        var timer = Self.programmed(2, mode: 1, count: 100)
        // High until a trigger, whatever the time.
        #expect(Self.output(&timer, at: Self.time(500)))
        timer.writeSpeaker(0, now: Self.time(1000))
        timer.writeSpeaker(1, now: Self.time(1000))
        #expect(!Self.output(&timer, at: Self.time(1000)))
        #expect(!Self.output(&timer, at: Self.time(1098)))
        #expect(Self.output(&timer, at: Self.time(1101)))
        // It can be triggered again.
        timer.writeSpeaker(0, now: Self.time(2000))
        timer.writeSpeaker(1, now: Self.time(2000))
        #expect(!Self.output(&timer, at: Self.time(2050)))
    }

    @Test func mode2IsLowForTheLastClockOfAPeriod() {
        var timer = Self.programmed(2, mode: 2, count: 10)
        let low = (0..<30).filter { !Self.output(&timer, at: Self.time($0)) }
        #expect(low == [9, 19, 29])
        #expect((0...10).map { Self.counter(&timer, 2, at: Self.time($0)) } == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 10])
    }

    @Test func mode2InterruptsWithEveryPeriod() {
        var timer = Self.programmed(0, mode: 2, count: 11_932)
        var now: UInt64 = 0
        for number in 1...100 as ClosedRange<UInt64> {
            #expect(timer.deadline == Self.time(number * 11_932))
            now = timer.deadline ?? 0
            timer.advance(to: now)
            #expect(timer.takePulses() == 1)
        }
        // 100 Hz, nearly.
        #expect(now / 1_000_000 == 1000)
        // Several at once.
        timer.advance(to: Self.time(107 * 11_932))
        #expect(timer.takePulses() == 7)
    }

    @Test(
        arguments: [(8, [8, 6, 4, 2, 8, 6, 4, 2, 8], 4), (5, [4, 2, 0, 4, 2, 4, 2, 0, 4], 3)]
            as [(UInt64, [UInt64], UInt64)])
    func mode3DecrementsByTwo(count: UInt64, values: [UInt64], high: UInt64) {
        var timer = Self.programmed(2, mode: 3, count: count)
        #expect((0...8).map { Self.counter(&timer, 2, at: Self.time($0)) } == values)
        let levels = (0..<2 * count).map { Self.output(&timer, at: Self.time($0)) }
        #expect(levels == (0..<2 * count).map { $0 % count < high })
    }

    @Test(arguments: [4, 5] as [UInt64]) func modes4And5StrobeLowForAClock(mode: UInt64) {
        var timer = Self.programmed(2, mode: mode, count: 20)
        if mode == 5 {
            #expect(Self.output(&timer, at: Self.time(20)))
            timer.writeSpeaker(0, now: Self.time(50))
            timer.writeSpeaker(1, now: Self.time(50))
        }
        let start: UInt64 = mode == 5 ? 50 : 0
        // A clock of tolerance: the start lies within one.
        let low = (start..<start + 60).filter { !Self.output(&timer, at: Self.time($0)) }
        #expect(low.count == 1)
        #expect(abs(Int(low.first ?? 0) - Int(start) - 20) <= 1)
    }

    @Test func theGateStopsCountingInMode0() {
        var timer = Self.programmed(2, mode: 0, count: 1000)
        timer.writeSpeaker(0, now: Self.time(300))
        #expect(Self.counter(&timer, 2, at: Self.time(900)) == 700)
        timer.writeSpeaker(1, now: Self.time(900))
        #expect((499...501).contains(Self.counter(&timer, 2, at: Self.time(1100))))
    }

    @Test func theGateReloadsInMode3AndForcesTheOutputHigh() {
        var timer = Self.programmed(2, mode: 3, count: 1000)
        #expect(!Self.output(&timer, at: Self.time(700)))
        timer.writeSpeaker(0, now: Self.time(700))
        #expect(Self.output(&timer, at: Self.time(700)))
        timer.writeSpeaker(1, now: Self.time(800))
        #expect(Self.counter(&timer, 2, at: Self.time(800)) == 1000)
        #expect(Self.output(&timer, at: Self.time(1200)))
    }

    @Test func aCountOfZeroIsTheLargest() {
        var binary = Self.programmed(0, mode: 2, count: 0)
        #expect(Self.counter(&binary, 0, at: Self.time(1)) == 0xFFFF)
        #expect(binary.deadline == Self.time(65_536))
        var decimal = Self.programmed(0, mode: 2, count: 0, isDecimal: true)
        #expect(Self.counter(&decimal, 0, at: Self.time(1)) == 0x9999)
        #expect(decimal.deadline == Self.time(10_000))
    }

    @Test func decimalCountsAreDigits() {
        var timer = Self.programmed(2, mode: 0, count: 0x1234, isDecimal: true)
        #expect(Self.counter(&timer, 2, at: Self.time(235)) == 0x0999)
    }

    @Test func aLatchedCountStaysUntilItIsRead() {
        var timer = Self.programmed(0, mode: 2, count: 1000)
        timer.write(3, byteCount: 1, value: 0x00, now: Self.time(100))
        timer.write(3, byteCount: 1, value: 0x00, now: Self.time(200))
        let low = timer.read(0, byteCount: 1, now: Self.time(300))
        let high = timer.read(0, byteCount: 1, now: Self.time(300))
        #expect(low | high << 8 == 900)
        // Without a latch the present count is read, low byte first.
        #expect(timer.read(0, byteCount: 1, now: Self.time(400)) == 600 & 0xFF)
    }

    @Test func readBackLatchesStatusBeforeCount() {
        var timer = Self.programmed(0, mode: 3, count: 1000)
        // Both, of counter 0.
        timer.write(3, byteCount: 1, value: 0xC2, now: Self.time(100))
        #expect(timer.read(0, byteCount: 1, now: Self.time(100)) == 0xB6)
        let low = timer.read(0, byteCount: 1, now: Self.time(200))
        #expect(low | timer.read(0, byteCount: 1, now: Self.time(200)) << 8 == 800)
    }

    @Test(arguments: [(0x10, 0x12, 0x12), (0x20, 0x12, 0x1200)] as [(UInt64, UInt64, UInt64)])
    func oneByteCounts(access: UInt64, written: UInt64, count: UInt64) {
        var timer = IntervalTimer(now: 0)
        timer.write(3, byteCount: 1, value: access | 0x04, now: 0)
        timer.write(0, byteCount: 1, value: written, now: 0)
        #expect(timer.deadline == Self.time(count))
    }

    @Test func theHPETSilencesIt() {
        var timer = Self.programmed(0, mode: 2, count: 1000)
        timer.setInterruptEnabled(false, now: Self.time(500))
        #expect(timer.deadline == nil)
        timer.advance(to: Self.time(5500))
        #expect(timer.takePulses() == 0)
        timer.setInterruptEnabled(true, now: Self.time(5500))
        #expect(timer.takePulses() == 0)
        #expect(timer.deadline == Self.time(6000))
    }

    @Test func theRefreshBitChanges() {
        var timer = IntervalTimer(now: 0)
        let first = timer.readSpeaker(now: 0) & 0x10
        #expect(timer.readSpeaker(now: 0) & 0x10 != first)
        timer.writeSpeaker(0xFF, now: 0)
        #expect(timer.readSpeaker(now: 0) & 0x0F == 3)
    }

    @Test func absentRegistersReadOnes() {
        var timer = IntervalTimer(now: 0)
        #expect(timer.read(4, byteCount: 4, now: 0) == 0xFFFF_FFFF)
        timer.write(.max, byteCount: 8, value: .max, now: 0)
    }
}

/// Sections in the layout of QEMU 7.2.
extension IntervalTimerTests {
    private static func section(load: Int64, disabled: UInt32 = 0, count: UInt32 = 0x10000, mode: UInt8 = 2)
        -> DeviceSection
    {
        var list = FieldList()
        list.add("channels[0].irq_disabled", disabled)
        for index in 0..<3 {
            let prefix = "channels[\(index)]."
            list.add(prefix + "count", count)
            list.add(prefix + "latched_count", UInt16(0x1234))
            list.add(prefix + "count_latched", UInt8(2))
            list.add(prefix + "status_latched", UInt8(1))
            list.add(prefix + "status", UInt8(0xB4))
            list.add(prefix + "read_state", UInt8(3))
            list.add(prefix + "write_state", UInt8(4))
            list.add(prefix + "write_latch", UInt8(0x9B))
            list.add(prefix + "rw_mode", UInt8(3))
            list.add(prefix + "mode", mode)
            list.add(prefix + "bcd", UInt8(0))
            list.add(prefix + "gate", UInt8(1))
            list.add(prefix + "count_load_time", load)
        }
        list.add("channels[0].next_transition_time", load &+ 1)
        return list.section("i8254")
    }

    private static func speaker() -> DeviceSection {
        var list = FieldList()
        list.add("data_on", UInt8(1))
        list.add("dummy_refresh_clock", UInt8(0x10))
        return list.section("pcspk", version: 1)
    }

    @Test func aSectionComesOutUnchanged() throws {
        // KVM's timer can have been loaded before the virtual clock began.
        let section = Self.section(load: -4_508_984, disabled: 1)
        let speaker = Self.speaker()
        let timer = try IntervalTimer(section, speaker: speaker, now: 25_641_354_991)
        var saved = section
        var savedSpeaker = speaker
        try timer.save(to: &saved)
        try timer.save(toSpeaker: &savedSpeaker)
        #expect(saved == section)
        #expect(savedSpeaker == speaker)
        #expect(try IntervalTimer(saved, speaker: savedSpeaker, now: 25_641_354_991) == timer)
    }

    @Test func edgesBeforeTheSnapshotAreOver() throws {
        var timer = try IntervalTimer(Self.section(load: 0, count: 1000), speaker: nil, now: Self.time(1_000_500))
        #expect(timer.deadline == Self.time(1_001_000))
        timer.advance(to: Self.time(1_001_000))
        #expect(timer.takePulses() == 1)
        var saved = Self.section(load: 0, count: 1000)
        try timer.save(to: &saved)
        #expect(try saved.unsigned("channels[0].next_transition_time") == Self.time(1_002_000))
    }

    @Test func stateOfAnAccessUnderWayIsKept() throws {
        var timer = try IntervalTimer(Self.section(load: 0), speaker: nil, now: 0)
        #expect(timer.read(0, byteCount: 1, now: 0) == 0xB4)
        #expect(timer.read(0, byteCount: 1, now: 0) == 0x12)
        // The high byte of a count whose low byte was 0x9B.
        timer.write(0, byteCount: 1, value: 0x2E, now: 0)
        #expect(timer.deadline == Self.time(0x2E9B))
    }

    @Test func damagedSectionsDoNotTrap() throws {
        var timer = try IntervalTimer(
            Self.section(load: .min, count: .max, mode: 0xFF), speaker: nil, now: .max)
        timer.advance(to: .max)
        _ = timer.read(0, byteCount: 8, now: .max)
        _ = timer.deadline
        var list = FieldList()
        list.add("channels[0].irq_disabled", UInt32(0))
        #expect(throws: DeviceError.self) { try IntervalTimer(list.section("i8254"), speaker: nil, now: 0) }
    }
}
