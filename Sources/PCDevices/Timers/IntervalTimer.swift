/// The programmable interval timer 8254 with the speaker's port of a PC.
///
/// Source: Intel 8254 data sheet (order number 231164). Ports 0x40-0x43 are offsets 0-3; port 0x61 is
/// ``readSpeaker(now:)`` and ``writeSpeaker(_:now:)``. Two things are as QEMU has them: a new count in the modes 2 and 3 takes
/// effect at once, and the refresh bit of port 0x61 changes with every read.
package struct IntervalTimer: Sendable, Hashable {
    /// Hertz.
    package static let frequency: UInt64 = 1_193_182

    /// Three counters: interrupt 0, memory refresh, speaker.
    var channels: [Channel]
    /// The HPET's legacy replacement has taken interrupt 0 away.
    package private(set) var isInterruptDisabled = false
    /// Rising edges of counter 0 that nobody has taken.
    private var pulses: UInt32 = 0
    /// Time up to which edges have been counted.
    private var observed: UInt64
    /// Next change of counter 0's output as the section has it: nanoseconds, -1 for never.
    var nextTransition: Int64
    /// Port 0x61 bit 1.
    var isSpeakerOn = false
    /// Port 0x61 bit 4.
    var refresh = false

    /// As after power-on: square waves of the largest count, the speaker's gate closed.
    package init(now: UInt64) {
        var channel = Channel()
        channel.loadTime = Int64(truncatingIfNeeded: now)
        channels = [channel, channel, channel]
        channels[2].gate = false
        observed = now
        nextTransition = 0
        updateTransition()
    }

    /// A state from a section. Edges before `now` are over: the state of KVM's timer can be old.
    init(channels: [Channel], isInterruptDisabled: Bool, nextTransition: Int64, now: UInt64) {
        self.channels = channels
        self.isInterruptDisabled = isInterruptDisabled
        self.nextTransition = nextTransition
        observed = now
    }
}

extension IntervalTimer {
    /// The next interrupt.
    package var deadline: UInt64? { isInterruptDisabled ? nil : channels[0].nextRisingEdge(after: observed) }

    /// Counts what has happened up to `now`.
    package mutating func advance(to now: UInt64) {
        guard now > observed else { return }
        let channel = channels[0]
        let edges = channel.risingEdges(after: channel.elapsed(observed), through: channel.elapsed(now))
        observed = now
        guard edges > 0 else { return }
        count(edges)
        updateTransition()
    }

    /// Rising edges for interrupt 0 since the last call.
    package mutating func takePulses() -> UInt32 {
        defer { pulses = 0 }
        return pulses
    }

    /// The HPET takes interrupt 0 away or gives it back. Edges in between are lost.
    package mutating func setInterruptEnabled(_ isEnabled: Bool, now: UInt64) {
        advance(to: now)
        guard isInterruptDisabled == isEnabled else { return }
        isInterruptDisabled = !isEnabled
        if isEnabled { updateTransition() }
    }

    private mutating func count(_ edges: UInt64) {
        guard !isInterruptDisabled else { return }
        let sum = UInt64(pulses).addingReportingOverflow(edges)
        pulses = sum.overflow ? .max : UInt32(clamping: sum.partialValue)
    }

    private mutating func updateTransition() {
        guard !isInterruptDisabled else { return }
        nextTransition = channels[0].nextRisingEdge(after: observed).flatMap { Int64(exactly: $0) } ?? -1
    }

    /// Changes a channel; a rising edge that this makes on counter 0 counts.
    private mutating func change(_ index: Int, now: UInt64, _ body: (inout Channel) -> Void) {
        advance(to: now)
        let before = channels[index].output(now)
        body(&channels[index])
        guard index == 0 else { return }
        if !before, channels[0].output(now) { count(1) }
        updateTransition()
    }
}

extension IntervalTimer {
    /// Reads counters 0-2 (offsets 0-2). The control word register (offset 3) reads 0, as in QEMU.
    package mutating func read(_ offset: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        ByteAccess.read(offset, byteCount: byteCount) { register in
            register < 3 ? readCounter(Int(register), now: now) : register == 3 ? 0 : nil
        }
    }

    /// Writes counters (offsets 0-2) and the control word (offset 3).
    package mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64, now: UInt64) {
        ByteAccess.write(offset, byteCount: byteCount, value: value) { register, byte in
            switch register {
            case 0, 1, 2: writeCounter(Int(register), byte, now: now)
            case 3: writeControl(byte, now: now)
            default: break
            }
        }
    }

    private mutating func readCounter(_ index: Int, now: UInt64) -> UInt8 {
        var channel = channels[index]
        defer { channels[index] = channel }
        if channel.isStatusLatched {
            channel.isStatusLatched = false
            return channel.status
        }
        if channel.countLatch != 0 {
            let isHigh = channel.countLatch == 2
            channel.countLatch = channel.countLatch == 3 ? 2 : 0
            return UInt8(truncatingIfNeeded: isHigh ? channel.latchedCount >> 8 : channel.latchedCount)
        }
        let counter = channel.counter(now)
        switch channel.readState {
        case 2: return UInt8(truncatingIfNeeded: counter >> 8)
        case 3:
            channel.readState = 4
            return UInt8(truncatingIfNeeded: counter)
        case 4:
            channel.readState = 3
            return UInt8(truncatingIfNeeded: counter >> 8)
        default: return UInt8(truncatingIfNeeded: counter)
        }
    }

    private mutating func writeCounter(_ index: Int, _ byte: UInt8, now: UInt64) {
        change(index, now: now) { channel in
            switch channel.writeState {
            case 2: channel.load(UInt16(byte) << 8, at: now)
            case 3:
                channel.writeLatch = byte
                channel.writeState = 4
            case 4:
                channel.load(UInt16(byte) << 8 | UInt16(channel.writeLatch), at: now)
                channel.writeState = 3
            default: channel.load(UInt16(byte), at: now)
            }
        }
    }

    /// Control word: counter (bits 6-7, 3 is the read-back command), bytes (4-5, 0 latches the count), mode (1-3), BCD (0).
    private mutating func writeControl(_ word: UInt8, now: UInt64) {
        let index = Int(word >> 6)
        if index == 3 {
            for number in 0..<3 where word & (2 << UInt8(number)) != 0 {
                if word & 0x20 == 0 { latchCount(number, now: now) }
                if word & 0x10 == 0 { latchStatus(number, now: now) }
            }
            return
        }
        let access = word >> 4 & 3
        guard access != 0 else { return latchCount(index, now: now) }
        change(index, now: now) { channel in
            let passed = channel.elapsed(now)
            channel.access = access
            channel.readState = access
            channel.writeState = access
            channel.countLatch = 0
            channel.programmedMode = word >> 1 & 7
            channel.isDecimal = word & 1 != 0
            channel.isCountMissing = true
            channel.isWaitingForGate = false
            channel.frozenTicks = passed
        }
    }

    /// A count that is latched already stays.
    private mutating func latchCount(_ index: Int, now: UInt64) {
        guard channels[index].countLatch == 0 else { return }
        channels[index].latchedCount = channels[index].counter(now)
        channels[index].countLatch = channels[index].access
    }

    /// Status byte: OUT (bit 7), null count (6), bytes (4-5), mode (1-3), BCD (0).
    private mutating func latchStatus(_ index: Int, now: UInt64) {
        let channel = channels[index]
        guard !channel.isStatusLatched else { return }
        var status = channel.access << 4 | channel.programmedMode << 1
        if channel.output(now) { status |= 0x80 }
        if channel.isCountMissing { status |= 0x40 }
        if channel.isDecimal { status |= 0x01 }
        channels[index].status = status
        channels[index].isStatusLatched = true
    }
}

extension IntervalTimer {
    /// Port 0x61: gate of counter 2 (bit 0), speaker (1), refresh (4, changes with every read), OUT of counter 2 (5).
    package mutating func readSpeaker(now: UInt64) -> UInt8 {
        refresh.toggle()
        return (channels[2].gate ? 0x01 : 0) | (isSpeakerOn ? 0x02 : 0) | (refresh ? 0x10 : 0)
            | (channels[2].output(now) ? 0x20 : 0)
    }

    /// Port 0x61: bits 0 and 1 can be written.
    package mutating func writeSpeaker(_ value: UInt8, now: UInt64) {
        isSpeakerOn = value & 2 != 0
        channels[2].setGate(value & 1 != 0, at: now)
    }
}
