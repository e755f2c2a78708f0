/// State of a local APIC's timer (SDM volume 3, 11.5.4). Times are nanoseconds of the virtual clock.
///
/// The count is never stepped: it follows from the time at which it reaches zero.
struct APICTimer: Sendable, Hashable {
    /// Bits 17-18 of the timer's entry.
    enum Mode: UInt32, Sendable {
        case oneShot = 0
        case periodic = 1
        case deadline = 2
        case reserved = 3
    }

    var initialCount: UInt32 = 0
    /// Ticks are `1 << shift` nanoseconds: an input of 1 GHz, as QEMU and KVM have it, divided by the divide
    /// configuration. Nothing set there means 2 (SDM figure 11-10).
    var shift: UInt8 = 1
    /// When the count was last loaded; in QEMU's sections since boot, so that it may be long ago in periodic mode.
    var start: UInt64 = 0
    /// When the count is zero the next time; nil when the timer is stopped. It goes on while the entry is masked.
    var due: UInt64?
    /// IA32_TSC_DEADLINE, 0 when none is armed.
    var deadline: UInt64 = 0
    /// QEMU's `next_time` of a timer that is not armed: a remainder, kept for sections until something happens.
    var idleNextTime: Int64 = 0
    /// QEMU's `timer_expiry` as loaded in TSC-deadline mode, where it means nothing, until the timer is written.
    var idleExpiry: Int64 = -1

    /// Nanoseconds from load to zero: at most 2 to the 39th.
    var period: UInt64 { UInt64(initialCount) << UInt64(shift & 7) }

    mutating func reset() { self = APICTimer() }

    /// What QEMU left in fields without meaning ends with the first thing that happens to the timer.
    mutating func forgetRemainders() {
        idleNextTime = 0
        idleExpiry = -1
    }

    mutating func disarm() {
        initialCount = 0
        due = nil
        deadline = 0
    }

    mutating func load(_ count: UInt32, now: UInt64) {
        initialCount = count
        start = now
        due = count == 0 ? nil : now &+ period
        forgetRemainders()
    }

    /// Ticks until zero, rounded up.
    func currentCount(_ mode: Mode, now: UInt64) -> UInt32 {
        guard mode == .oneShot || mode == .periodic, let due else { return 0 }
        var left = due > now ? due - now : 0
        if left == 0 {
            guard mode == .periodic, period > 0 else { return 0 }
            left = period - (now - due) % period
        }
        // Not more than the initial count: QEMU's periods are a tick longer.
        let whole = left >> UInt64(shift & 7)
        let ticks = whole << UInt64(shift & 7) == left ? whole : whole + 1
        return UInt32(truncatingIfNeeded: min(ticks, UInt64(initialCount)))
    }

    /// Changes the divider; the count goes on from where it is.
    mutating func setShift(_ newShift: UInt8, _ mode: Mode, now: UInt64) {
        guard newShift != shift else { return }
        let left = UInt64(currentCount(mode, now: now))
        shift = newShift
        guard mode == .oneShot || mode == .periodic, due != nil else { return }
        due = now &+ left << UInt64(shift & 7)
        start = now &- (UInt64(initialCount) &- left) << UInt64(shift & 7)
    }

    /// Goes on to `now`; true when the count has reached zero since the last time, however often.
    mutating func advance(_ mode: Mode, to now: UInt64) -> Bool {
        guard let due, due <= now else { return false }
        forgetRemainders()
        switch mode {
        case .oneShot: self.due = nil
        case .deadline:
            self.due = nil
            deadline = 0
        case .periodic:
            guard period > 0 else {
                self.due = nil
                return true
            }
            start = due + (now - due) / period * period
            self.due = start &+ period
        case .reserved:
            self.due = nil
            return false
        }
        return true
    }
}

extension LocalAPIC {
    var timerMode: APICTimer.Mode {
        APICTimer.Mode(rawValue: (localVectors[.timer] & LocalVectorTable.Bit.timerMode) >> 17) ?? .reserved
    }

    /// When the timer interrupts next.
    package var deadline: UInt64? { localVectors.isMasked(.timer) ? nil : timer.due }

    /// Lets the timer do what it does until `now`.
    package mutating func advance(to now: UInt64) {
        if timer.advance(timerMode, to: now) { raise(.timer) }
    }

    /// The processor's IA32_TSC_DEADLINE means something: the timer is in that mode.
    package var usesTSCDeadline: Bool { timerMode == .deadline }

    /// What IA32_TSC_DEADLINE reads: 0 when nothing is armed (SDM 11.5.4.1). Also what KVM's `env.tsc_deadline` is.
    package func tscDeadline(now: UInt64) -> UInt64 {
        guard let due = timer.due, due > now else { return 0 }
        return timer.deadline
    }

    /// A write of IA32_TSC_DEADLINE, or its value from a snapshot after loading. Ignored in other timer modes (SDM
    /// 11.5.4.1).
    ///
    /// Only the processor knows its time-stamp counter. When that jumps, the caller writes the deadline again.
    ///
    /// - Parameters:
    ///   - value: the deadline in ticks of the time-stamp counter; 0 disarms.
    ///   - time: the virtual time at which the counter reaches it. A time that has passed interrupts at once.
    package mutating func setTSCDeadline(_ value: UInt64, at time: UInt64) {
        guard timerMode == .deadline else { return }
        timer.deadline = value
        timer.due = value == 0 ? nil : time
    }

    /// Writes the timer's entry. Entering and leaving TSC-deadline mode stops the timer (SDM 11.5.4.1).
    mutating func setTimerEntry(_ value: UInt32, now: UInt64) {
        advance(to: now)
        let before = timerMode
        localVectors[.timer] = value
        timer.forgetRemainders()
        if (before == .deadline) != (timerMode == .deadline) { timer.disarm() }
    }
}
