import PCDevices
import Testing

/// Whatever a guest writes, wherever and when: every device answers, and after each advance its deadline lies ahead.
@Suite struct HostileGuestTests {
    /// SplitMix64: the same sequence in every run.
    private struct Sequence: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
            return value ^ value >> 31
        }
    }

    private struct Access {
        var offset: UInt64
        var byteCount: Int
        var value: UInt64
        var now: UInt64
    }

    /// Accesses in a range of offsets, now and then far outside; times that only grow, in small and huge steps.
    private static func accesses(_ seed: UInt64, offsets: Range<UInt64>) -> [Access] {
        var random = Sequence(state: seed)
        var now: UInt64 = 0
        return (0..<20_000).map { number in
            let scale = UInt64.random(in: 0..<(number > 19_000 ? 63 : 36), using: &random)
            let sum = now.addingReportingOverflow(random.next() >> (63 - scale))
            now = sum.overflow ? .max : sum.partialValue
            let isFar = Int.random(in: 0..<50, using: &random) == 0
            return Access(
                offset: isFar ? random.next() : UInt64.random(in: offsets, using: &random),
                byteCount: [1, 2, 4, 8].randomElement(using: &random) ?? 1,
                value: random.next() >> UInt64.random(in: 0..<64, using: &random), now: now)
        }
    }

    /// A deadline that `advance` does not move would hold the machine in place. Times are signed numbers in QEMU: behind
    /// 292 years anything goes that does not trap.
    private static func isAhead(_ deadline: UInt64?, of now: UInt64) -> Bool {
        now > UInt64(Int64.max) || deadline.map { $0 > now } ?? true
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func intervalTimer(seed: UInt64) {
        var timer = IntervalTimer(now: 0)
        for access in Self.accesses(seed, offsets: 0..<5) {
            if access.value & 1 == 0 {
                _ = timer.read(access.offset, byteCount: access.byteCount, now: access.now)
                _ = timer.readSpeaker(now: access.now)
            } else {
                timer.write(access.offset, byteCount: access.byteCount, value: access.value, now: access.now)
                timer.writeSpeaker(UInt8(truncatingIfNeeded: access.value >> 8), now: access.now)
            }
            timer.advance(to: access.now)
            #expect(Self.isAhead(timer.deadline, of: access.now))
        }
    }

    @Test(arguments: [4, 5, 6] as [UInt64]) func hpet(seed: UInt64) {
        var timer = HPET(timerCount: 24, hasMessages: true)
        for access in Self.accesses(seed, offsets: 0..<0x400) {
            let offset = access.value & 2 == 0 ? access.offset & ~7 : access.offset
            if access.value & 1 == 0 {
                _ = timer.read(offset, byteCount: access.byteCount, now: access.now)
            } else {
                timer.write(offset, byteCount: access.byteCount, value: access.value, now: access.now)
            }
            // The counter's enable bit is written often enough to be on half of the time.
            if access.value & 0xF0 == 0 { timer.write(0x10, byteCount: 4, value: access.value >> 8, now: access.now) }
            timer.advance(to: access.now)
            #expect(Self.isAhead(timer.deadline, of: access.now))
            #expect(timer.takeMessages().count <= 24)
            _ = timer.takePulses()
        }
    }

    @Test(arguments: [7, 8, 9] as [UInt64]) func realTimeClock(seed: UInt64) {
        var clock = RealTimeClock(secondsSince1970: 1_795_942_072, now: 0)
        for access in Self.accesses(seed, offsets: 0..<2) {
            clock.write(0, byteCount: 1, value: access.value & 15, now: access.now)
            if access.value & 16 == 0 {
                _ = clock.read(access.offset, byteCount: access.byteCount, now: access.now)
            } else {
                clock.write(1, byteCount: 1, value: access.value >> 5, now: access.now)
            }
            clock.advance(to: access.now)
            #expect(Self.isAhead(clock.deadline, of: access.now))
        }
    }

    @Test(arguments: [10, 11] as [UInt64]) func powerManagement(seed: UInt64) {
        for chipset in [PowerManagement.Chipset.piix4, .ich9] {
            var device = PowerManagement(chipset: chipset, processorIDs: [0, 1, 2, 3])
            for access in Self.accesses(seed, offsets: 0..<0x88) {
                if access.value & 1 == 0 {
                    _ = device.read(access.offset, byteCount: access.byteCount, now: access.now)
                    _ = device.readEvents(access.offset & 7, byteCount: access.byteCount)
                    _ = device.hotplug.readProcessors(access.offset & 15, byteCount: access.byteCount)
                } else {
                    device.write(access.offset, byteCount: access.byteCount, value: access.value, now: access.now)
                    device.writeEvents(access.offset & 7, byteCount: access.byteCount, value: access.value)
                    device.writeCommandPort(access.offset & 3, byteCount: access.byteCount, value: access.value)
                    device.hotplug.writeProcessors(
                        access.offset & 15, byteCount: access.byteCount, value: access.value & 7)
                    device.hotplug.writeDevices(access.offset, byteCount: access.byteCount, value: access.value)
                }
                device.advance(to: access.now)
                #expect(Self.isAhead(device.deadline, of: access.now))
            }
        }
    }

    @Test(arguments: [12, 13] as [UInt64]) func serialPort(seed: UInt64) {
        var port = SerialPort()
        for access in Self.accesses(seed, offsets: 0..<9) {
            if access.value & 1 == 0 {
                _ = port.read(access.offset, byteCount: access.byteCount, now: access.now)
            } else {
                port.write(access.offset, byteCount: access.byteCount, value: access.value, now: access.now)
            }
            if access.value & 0xE == 0 { #expect(port.receive([1, 2, 3, 4], now: access.now) <= 4) }
            port.advance(to: access.now)
            #expect(Self.isAhead(port.deadline, of: access.now))
        }
    }

    @Test(arguments: [14, 15] as [UInt64]) func registersWithoutTime(seed: UInt64) {
        var keyboard = KeyboardController()
        var floppy = FloppyController()
        var vga = VGARegisters(isPresent: true)
        var dma = DMAController()
        var firmware = FirmwareConfiguration(processorCount: 1, files: [("a", [1, 2, 3])])
        for access in Self.accesses(seed, offsets: 0..<0x30) {
            let (offset, count, value) = (access.offset, access.byteCount, access.value)
            if value & 1 == 0 {
                _ = keyboard.read(offset & 7, byteCount: count)
                _ = floppy.read(offset & 7, byteCount: count)
                _ = vga.read(0x3B0 &+ offset, byteCount: count)
                _ = dma.read(offset &* 5, byteCount: count)
                _ = firmware.read(offset & 15, byteCount: count)
            } else {
                keyboard.write(offset & 7, byteCount: count, value: value >> 1)
                floppy.write(offset & 7, byteCount: count, value: value >> 1)
                vga.write(0x3B0 &+ offset, byteCount: count, value: value >> 1)
                dma.write(offset &* 5, byteCount: count, value: value >> 1)
                firmware.write(offset & 15, byteCount: count, value: value >> 1)
            }
        }
    }
}
