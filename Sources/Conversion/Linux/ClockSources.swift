import GuestInspection
import VMState

/// A `struct clocksource` of a Linux guest.
struct ClockSource {
    /// Its address.
    let address: UInt64
    /// As in sysfs: `kvm-clock`, `tsc`, `hpet`, `acpi_pm`...
    let name: String
    let mask: UInt64
    /// Nanoseconds = counts times this, shifted right by `shift`.
    let mult: UInt32
    let shift: UInt32
    /// `vdso_clock_mode`: how user code reads it; 0 for not at all.
    let mode: UInt32
    let flags: UInt64

    /// `CLOCK_SOURCE_VALID_FOR_HRES` without `CLOCK_SOURCE_UNSTABLE`.
    var isTrusted: Bool { flags & 0x20 != 0 && flags & 0x40 == 0 }
    /// `CLOCK_SOURCE_MUST_VERIFY`: it cannot watch over others.
    var mustBeVerified: Bool { flags & 0x02 != 0 }

    init(_ address: UInt64, _ guest: LinuxGuest) throws {
        func place(_ member: String, _ size: Int) throws -> UInt64 {
            try address &+ guest.field("clocksource", member, size: size)
        }
        self.address = address
        let text: UInt64 = try guest.read(place("name", 8))
        let bytes = try guest.bytes(text, 16).prefix { $0 != 0 }
        name = String(decoding: bytes, as: UTF8.self)
        mask = try guest.read(place("mask", 8))
        mult = try guest.read(place("mult", 4))
        shift = try guest.read(place("shift", 4))
        mode = try guest.read(place("vdso_clock_mode", 4))
        flags = try guest.read(place("flags", 8))
        guard mult != 0, shift < 32, mask != 0 else {
            throw FixRefusal("the clock source \(name) has no sensible rate")
        }
    }
}

extension LinuxGuest {
    /// The clock sources that the kernel may choose, the best first, and the one that it uses.
    mutating func clockSources() throws -> (current: ClockSource, all: [ClockSource]) {
        let current: UInt64 = try read(symbol("curr_clocksource"))
        let head = try symbol("clocksource_list")
        let link = try field("clocksource", "list", size: 16)
        var all: [ClockSource] = []
        var entry: UInt64 = try read(head)
        while entry != head {
            guard all.count < 32 else { throw FixRefusal("the kernel's list of clock sources has no end") }
            all.append(try ClockSource(entry &- link, self))
            entry = try read(entry)
        }
        guard let used = all.first(where: { $0.address == current }) else {
            throw FixRefusal("the kernel's clock source is not in its list")
        }
        return (used, all)
    }

    /// Takes a clock source off the list, so that it is not chosen again.
    mutating func unlink(_ source: ClockSource) throws {
        let entry = try source.address &+ field("clocksource", "list", size: 16)
        let next: UInt64 = try read(entry)
        let previous: UInt64 = try read(entry &+ 8)
        guard try read(previous) == entry, try read(next &+ 8) == entry else {
            throw FixRefusal("the kernel's list of clock sources is damaged")
        }
        try write(next, to: previous, "clocksource_list without \(source.name)")
        try write(previous, to: next &+ 8, "clocksource_list without \(source.name)")
        // An entry that leads to itself can be taken off once more.
        try write(entry, to: entry, "\(source.name): list")
        try write(entry, to: entry &+ 8, "\(source.name): list")
    }

    /// What a clock source counts where the snapshot goes on.
    mutating func count(of source: ClockSource) throws -> UInt64 {
        switch source.name {
        case "kvm-clock": return try publishedClocks().map(\.now).max() ?? 0
        case "tsc": return counters.first ?? 0
        case "hpet":
            guard let hpet = snapshot.stream.device("hpet"), try hpet.unsigned("config") & 1 == 1 else {
                throw FixRefusal("the snapshot has no HPET that counts")
            }
            return try hpet.unsigned("hpet_counter") & source.mask
        case "acpi_pm":
            let nanoseconds = try snapshot.stream.device("timer")?.unsigned("cpu_clock_offset") ?? 0
            let product = nanoseconds.multipliedFullWidth(by: 3_579_545)
            guard product.high < 1_000_000_000 else { throw FixRefusal("the machine's clock makes no sense") }
            return UInt64(1_000_000_000).dividingFullWidth(product).quotient & source.mask
        default: throw FixRefusal("the clock source \(source.name) is not known")
        }
    }

    /// What kvmclock says on each CPU where the snapshot goes on, in nanoseconds.
    func publishedClocks() throws -> [(cpu: UInt32, now: UInt64)] {
        try zip(cpus, counters).map { cpu, counter in
            guard cpu.systemTimeMSR & 1 == 1 else { throw FixRefusal("CPU \(cpu.index) has no kvmclock") }
            let clock = PublishedClock(try snapshot.memory.bytes(at: cpu.systemTimeMSR & ~1, count: 32))
            guard clock.frequency != nil else { throw FixRefusal("the kvmclock of CPU \(cpu.index) has no rate") }
            // Time does not go back: a page whose counter is ahead keeps its time.
            let isAhead = Int64(bitPattern: counter &- clock.timestamp) < 0
            return (cpu.index, isAhead ? clock.systemTime : clock.nanoseconds(at: counter))
        }
    }
}
