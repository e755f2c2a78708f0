import GuestInspection
import VMState

// `sched_clock`: nanoseconds for the scheduler and the log, by a static call. Under KVM it reads kvmclock; without, each CPU
// computes it from its counter with `struct cyc2ns`. Source: Linux, arch/x86/kernel/tsc.c, kvmclock.c.
extension LinuxGuest {
    /// Takes the scheduler's clock from kvmclock to the CPUs' counters, at the time that kvmclock tells now.
    ///
    /// - Parameter rate: counts of the target for each that the guest expects.
    mutating func useNativeSchedulerClock(rate: Double) throws {
        let name = "pv_sched_clock"
        let target: UInt64 = try read(symbol("__SCK__\(name)"))
        let native = try symbol("native_sched_clock")
        if target == native { return }
        guard try target == symbol("kvm_sched_clock_read") else {
            throw FixRefusal("the scheduler's clock is \(kernel.name(at: target) ?? hex(target)), which is not known")
        }
        let enabled: UInt32 = try read(symbol("__use_tsc") &+ field("static_key", "enabled", size: 4))
        guard enabled != 0 else {
            throw FixRefusal("the kernel does not trust the counter, and has no other clock for its scheduler")
        }
        let offset: UInt64 = try read(symbol("kvm_sched_clock_offset"))
        let base = try symbol("cyc2ns") &+ field("cyc2ns", "data", size: 2 * Int(size("cyc2ns_data")))
        let offsets = try perCPUOffsets()
        for (index, (_, now)) in try publishedClocks().enumerated() {
            for copy in 0..<2 {
                let data = base &+ offsets[index] &+ UInt64(copy) * (try size("cyc2ns_data"))
                try set(
                    data, "cyc2ns of CPU \(index)", now: now &- offset, counter: counters[index], rate: rate)
            }
        }
        try setStaticCall(name, to: native)
    }

    private mutating func set(
        _ data: UInt64, _ owner: String, now: UInt64, counter: UInt64, rate: Double
    ) throws {
        let multPlace = try data &+ field("cyc2ns_data", "cyc2ns_mul", size: 4)
        let shift: UInt32 = try read(data &+ field("cyc2ns_data", "cyc2ns_shift", size: 4))
        var mult: UInt32 = try read(multPlace)
        guard mult != 0, shift <= 32 else { throw FixRefusal("\(owner) makes no sense") }
        if rate != 1 {
            let scaled = (Double(mult) / rate).rounded()
            guard scaled >= 1, scaled < 4_294_967_296 else { throw FixRefusal("\(owner) cannot have another rate") }
            mult = UInt32(scaled)
            try write(mult, to: multPlace, "\(owner): mul")
        }
        let product = counter.multipliedFullWidth(by: UInt64(mult))
        let own = shift == 0 ? product.low : product.high << UInt64(64 - shift) | product.low >> UInt64(shift)
        try write(now &- own, to: data &+ field("cyc2ns_data", "cyc2ns_offset", size: 8), "\(owner): offset")
    }
}
