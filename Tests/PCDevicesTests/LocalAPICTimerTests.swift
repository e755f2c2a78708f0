import PCDevices
import Testing

/// The timer, against the SDM, volume 3, 11.5.4. The input is 1 GHz: a tick is the divider in nanoseconds.
@Suite struct LocalAPICTimerTests {
    private static let periodic: UInt32 = 1 << 17
    private static let tscDeadline: UInt32 = 2 << 17
    private static let masked: UInt32 = 1 << 16

    /// Figure 11-10.
    @Test(
        arguments: [
            (0b0000, 2), (0b0001, 4), (0b0010, 8), (0b0011, 16), (0b1000, 32), (0b1001, 64), (0b1010, 128), (0b1011, 1),
        ] as [(UInt32, UInt64)])
    func dividers(configuration: UInt32, divider: UInt64) {
        var apic = LocalAPIC.started()
        apic[APICOffset.timer] = 0x40
        apic[APICOffset.divide] = configuration
        _ = apic.write(APICOffset.initialCount, 1000, now: 5)
        #expect(apic.deadline == 5 + 1000 * divider)
        #expect(apic.count(5) == 1000)
        #expect(apic.count(5 + 999 * divider) == 1)
        #expect(apic.count(5 + 1000 * divider) == 0)
    }

    @Test func oneShot() {
        var apic = LocalAPIC.started()
        apic[APICOffset.divide] = 0b1011
        apic[APICOffset.timer] = 0x40
        #expect(apic.deadline == nil)
        _ = apic.write(APICOffset.initialCount, 1000, now: 0)
        apic.advance(to: 999)
        #expect(apic.pendingVector == nil)
        #expect(apic.deadline == 1000)
        apic.advance(to: 1000)
        #expect(apic.acknowledge() == 0x40)
        #expect(apic.deadline == nil)
        apic.advance(to: 10_000)
        #expect(apic.pendingVector == nil)
        #expect(apic.count(10_000) == 0)
        #expect(apic[APICOffset.initialCount] == 1000)
        // Written anew while counting, it starts anew; 0 stops it.
        _ = apic.write(APICOffset.initialCount, 500, now: 10_000)
        _ = apic.write(APICOffset.initialCount, 500, now: 10_100)
        #expect(apic.deadline == 10_600)
        _ = apic.write(APICOffset.initialCount, 0, now: 10_200)
        #expect(apic.deadline == nil && apic.count(10_200) == 0)
    }

    @Test func periodic() {
        var apic = LocalAPIC.started()
        apic[APICOffset.divide] = 0b1011
        apic[APICOffset.timer] = 0x40 | Self.periodic
        _ = apic.write(APICOffset.initialCount, 1000, now: 0)
        for period in 1...3 {
            #expect(apic.deadline == UInt64(period) * 1000)
            apic.advance(to: UInt64(period) * 1000)
            #expect(apic.acknowledge() == 0x40)
            _ = apic.endOfInterrupt()
        }
        #expect(apic.count(3400) == 600)
        // Missed periods are one request, and the phase stays; the count does not wait for `advance`.
        #expect(apic.count(1_000_000_700) == 300)
        apic.advance(to: 1_000_000_700)
        #expect(apic.deadline == 1_000_001_000)
        #expect(apic.acknowledge() == 0x40)
        _ = apic.endOfInterrupt()
        #expect(apic.pendingVector == nil)
        // To one-shot while it runs: the period comes to its end, the last one.
        _ = apic.write(APICOffset.timer, 0x40, now: 1_000_000_800)
        apic.advance(to: 1_000_001_000)
        #expect(apic.acknowledge() == 0x40)
        #expect(apic.deadline == nil)
    }

    /// The mask keeps the interrupt back, not the count.
    @Test func aMaskedTimerCounts() {
        var apic = LocalAPIC.started()
        apic[APICOffset.divide] = 0b1011
        apic[APICOffset.timer] = 0x40 | Self.masked
        _ = apic.write(APICOffset.initialCount, 1000, now: 0)
        #expect(apic.deadline == nil)
        #expect(apic.count(400) == 600)
        _ = apic.write(APICOffset.timer, 0x40, now: 500)
        #expect(apic.deadline == 1000)
        _ = apic.write(APICOffset.timer, 0x40 | Self.masked, now: 600)
        #expect(apic.count(1000) == 0)
        _ = apic.write(APICOffset.timer, 0x40, now: 1200)
        #expect(apic.deadline == nil && apic.pendingVector == nil)
    }

    @Test func anotherDividerGoesOnFromTheCount() {
        var apic = LocalAPIC.started()
        apic[APICOffset.divide] = 0b1011
        apic[APICOffset.timer] = 0x40
        _ = apic.write(APICOffset.initialCount, 1000, now: 0)
        _ = apic.write(APICOffset.divide, 0b0000, now: 400)
        #expect(apic.count(400) == 600)
        #expect(apic.deadline == 400 + 1200)
    }

    /// 11.5.4.1.
    @Test func deadlinesOfTheTimeStampCounter() {
        var apic = LocalAPIC.started()
        apic.setTSCDeadline(77, at: 100)
        #expect(apic.tscDeadline(now: 0) == 0 && apic.deadline == nil)
        apic[APICOffset.timer] = 0xEC | Self.tscDeadline
        #expect(apic.usesTSCDeadline)
        // The count registers do nothing in this mode.
        _ = apic.write(APICOffset.initialCount, 1000, now: 0)
        #expect(apic.deadline == nil && apic[APICOffset.initialCount] == 0 && apic.count(1) == 0)
        apic.setTSCDeadline(77, at: 100)
        #expect(apic.deadline == 100 && apic.count(50) == 0)
        #expect(apic.tscDeadline(now: 99) == 77)
        #expect(apic.tscDeadline(now: 100) == 0)
        apic.advance(to: 100)
        #expect(apic.acknowledge() == 0xEC)
        #expect(apic.deadline == nil && apic.tscDeadline(now: 100) == 0)
        _ = apic.endOfInterrupt()
        // Disarmed by 0; a deadline that has passed comes at once; another one replaces it.
        apic.setTSCDeadline(80, at: 200)
        apic.setTSCDeadline(0, at: 0)
        #expect(apic.deadline == nil)
        apic.setTSCDeadline(80, at: 200)
        apic.setTSCDeadline(70, at: 90)
        apic.advance(to: 110)
        #expect(apic.pendingVector == 0xEC)
    }

    /// 11.5.4.1: entering and leaving the mode disarms.
    @Test func changesOfModeDisarm() {
        var apic = LocalAPIC.started()
        apic[APICOffset.timer] = 0xEC
        _ = apic.write(APICOffset.initialCount, 1000, now: 0)
        _ = apic.write(APICOffset.timer, 0xEC | Self.tscDeadline, now: 10)
        #expect(apic.deadline == nil)
        apic.setTSCDeadline(80, at: 200)
        _ = apic.write(APICOffset.timer, 0xED | Self.tscDeadline, now: 10)
        #expect(apic.deadline == 200)
        _ = apic.write(APICOffset.timer, 0xEC | Self.periodic, now: 20)
        #expect(apic.deadline == nil && apic.tscDeadline(now: 20) == 0)
    }

    @Test func initAndSoftwareDisableStopIt() {
        var apic = LocalAPIC.started()
        apic[APICOffset.timer] = 0x40
        _ = apic.write(APICOffset.initialCount, 1000, now: 0)
        var disabled = apic
        disabled[APICOffset.spurious] = 0xFF
        #expect(disabled.deadline == nil)
        disabled.advance(to: 10_000)
        #expect(disabled.pendingVector == nil)
        apic.accept(InterruptMessage(vector: 0, delivery: .initialize, destination: 0))
        #expect(apic.takeInitialize() == true)
        #expect(apic.deadline == nil && apic.count(1) == 0)
    }

    /// The shortest period and the end of time cost no loop and no trap.
    @Test func extremes() {
        var apic = LocalAPIC.started()
        apic[APICOffset.divide] = 0b1011
        apic[APICOffset.timer] = 0x40 | Self.periodic
        _ = apic.write(APICOffset.initialCount, 1, now: 0)
        apic.advance(to: .max)
        #expect(apic.pendingVector == 0x40)
        _ = apic.write(APICOffset.initialCount, .max, now: .max)
        apic.advance(to: .max)
        _ = apic.count(.max)
    }
}
