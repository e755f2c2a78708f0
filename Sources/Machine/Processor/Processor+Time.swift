import X86

extension Processor {
    /// The processor's own virtual time in nanoseconds.
    @inline(__always)
    func time(_ options: MachineOptions) -> UInt64 {
        system.pointee.timeBase &+ system.pointee.retired &* options.nanosecondsPerInstruction
    }

    /// How many instructions will have retired at a virtual time; at least one more than now.
    func retired(at time: UInt64, _ options: MachineOptions) -> UInt64 {
        let retired = system.pointee.retired
        let now = self.time(options)
        guard time > now else { return retired &+ 1 }
        let step = max(options.nanosecondsPerInstruction, 1)
        let count = (time - now) / step + ((time - now) % step == 0 ? 0 : 1)
        return retired.addingReportingOverflow(count).overflow ? .max : retired + count
    }

    /// Lets virtual time pass without executing anything.
    func waitUntil(_ time: UInt64, _ options: MachineOptions) {
        let now = self.time(options)
        if time > now { system.pointee.timeBase &+= time - now }
    }

    /// The time-stamp counter.
    ///
    /// The product of nanoseconds and hertz needs 128 bits.
    func timeStamp(_ options: MachineOptions) -> UInt64 {
        system.pointee.timeStampBase &+ options.timeStampTicks(in: time(options))
    }

    /// Sets the counter as WRMSR does.
    func setTimeStamp(_ value: UInt64, _ options: MachineOptions) {
        system.pointee.timeStampBase = value &- options.timeStampTicks(in: time(options))
    }
}

extension MachineOptions {
    /// The rate that applies.
    var timeStampRate: UInt64 { timeStampHertz ?? 1_000_000_000 }

    /// Time-stamp ticks in a span of virtual nanoseconds.
    func timeStampTicks(in nanoseconds: UInt64) -> UInt64 {
        if timeStampRate == 1_000_000_000 { return nanoseconds }
        let product = nanoseconds.multipliedFullWidth(by: timeStampRate)
        return (UInt128(product.high) << 64 | UInt128(product.low)).divided(by: 1_000_000_000)
    }

    /// Virtual nanoseconds until so many ticks have passed, rounded up.
    func nanoseconds(ofTimeStampTicks ticks: UInt64) -> UInt64 {
        if timeStampRate == 1_000_000_000 { return ticks }
        let product = ticks.multipliedFullWidth(by: 1_000_000_000)
        return (UInt128(product.high) << 64 | UInt128(product.low)).dividedRoundingUp(by: timeStampRate)
    }
}

extension UInt128 {
    fileprivate func divided(by divisor: UInt64) -> UInt64 {
        UInt64(truncatingIfNeeded: self / UInt128(divisor == 0 ? 1 : divisor))
    }

    fileprivate func dividedRoundingUp(by divisor: UInt64) -> UInt64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: UInt128(divisor == 0 ? 1 : divisor))
        return UInt64(truncatingIfNeeded: quotient) &+ (remainder == 0 ? 0 : 1)
    }
}
