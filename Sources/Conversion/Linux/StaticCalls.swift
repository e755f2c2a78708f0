import GuestInspection

// Static calls (since Linux 6.5 also for the APIC driver's functions): calls whose target is patched into the code. A key holds the
// target; a trampoline jumps there; a table lists the places in the code that call it directly. Source: Linux,
// include/linux/static_call.h, static_call_types.h.
extension LinuxGuest {
    /// The kernel has a static call of this name.
    mutating func hasStaticCalls(_ name: String) throws -> Bool { has("__SCK__\(name)") }

    /// Makes a driver the one that the static calls `apic_call_*` reach: each call is named like a member of `struct apic`.
    mutating func installDriver(_ driver: UInt64) throws {
        let prefix = "__SCK__apic_call_"
        var targets: [(name: String, key: UInt64, target: UInt64)] = []
        for symbol in kernel.symbols.symbols(withPrefix: prefix) {
            let member = String(symbol.name.dropFirst(prefix.count))
            let own: UInt64 = try read(driver &+ field("apic", member, size: 8))
            var target = own
            if own == 0, member == "native_eoi" {
                // Set when a driver is installed: the end of interrupt without a paravirtual one.
                target = try read(driver &+ field("apic", "eoi", size: 8))
                try write(target, to: driver &+ field("apic", "native_eoi", size: 8), "apic_physflat: native_eoi")
            }
            targets.append(("apic_call_\(member)", symbol.address, target))
        }
        try setStaticCalls(targets)
    }

    /// Makes a static call reach a function.
    mutating func setStaticCall(_ name: String, to target: UInt64) throws {
        try setStaticCalls([(name, symbol("__SCK__\(name)"), target)])
    }

    private mutating func setStaticCalls(_ targets: [(name: String, key: UInt64, target: UInt64)]) throws {
        let sites = try staticCallSites(keys: Set(targets.map(\.key)))
        for (name, key, target) in targets {
            let old: UInt64 = try read(key)
            guard old != target else { continue }
            try write(target, to: key, "static call \(name)")
            for place in try sites[key, default: []] + [symbol("__SCT__\(name)")] {
                try retarget(place, from: old, to: target, name)
            }
        }
    }

    /// Changes where a call or jump goes. One without a function is a NOP in the place of a call, and a return in that of a jump.
    private mutating func retarget(_ place: UInt64, from old: UInt64, to target: UInt64, _ name: String) throws {
        let code = try bytes(place, 5)
        let displacement = code[1...4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let current = place &+ 5 &+ UInt64(bitPattern: Int64(Int32(bitPattern: displacement)))
        let isCall: Bool
        switch code[0] {
        case 0xe8 where old != 0 && current == old: isCall = true
        case 0xe9 where old != 0 && current == old: isCall = false
        case 0x0f where old == 0 && code == Self.noCall: isCall = true
        case 0xc3 where old == 0: isCall = false
        // A return by way of a thunk, against speculation.
        case 0xe9 where old == 0 && kernel.name(at: current)?.hasSuffix("return_thunk") == true: isCall = false
        default:
            throw FixRefusal(
                "the code at \(hex(place)) is not the static call \(name) that the kernel's table names")
        }
        let new: [UInt8]
        if target == 0 {
            new = isCall ? Self.noCall : FunctionEntry.emptyBody
        } else {
            let distance = UInt32(truncatingIfNeeded: target &- place &- 5)
            new = [isCall ? 0xe8 : 0xe9] + (0..<4).map { UInt8(truncatingIfNeeded: distance >> UInt32(8 * $0)) }
        }
        try write(new, to: place, "static call \(name) at \(hex(place))")
    }

    /// The NOP of five bytes that stands for a call of nothing.
    private static let noCall: [UInt8] = [0x0f, 0x1f, 0x44, 0x00, 0x00]

    /// The places in the code that call through some keys.
    private mutating func staticCallSites(keys: Set<UInt64>) throws -> [UInt64: [UInt64]] {
        let start = try symbol("__start_static_call_sites")
        let stop = try symbol("__stop_static_call_sites")
        guard start <= stop, stop - start <= 1 << 20, (stop - start) % 8 == 0 else {
            throw FixRefusal("the kernel's table of static calls has no sensible size")
        }
        let table = try bytes(start, Int(stop - start))
        func signed(_ offset: Int) -> UInt64 {
            let value = (0..<4).reduce(UInt32(0)) { $0 | UInt32(table[offset + $1]) << UInt32(8 * $1) }
            return UInt64(bitPattern: Int64(Int32(bitPattern: value)))
        }
        var sites: [UInt64: [UInt64]] = [:]
        for offset in stride(from: 0, to: table.count, by: 8) {
            let entry = start + UInt64(offset)
            // The lowest bits of the key's distance are flags; the second marks code that was freed after the boot.
            let distance = signed(offset + 4)
            let key = (entry + 4) &+ distance & ~3
            guard keys.contains(key), distance & 2 == 0 else { continue }
            sites[key, default: []].append(entry &+ signed(offset))
        }
        return sites
    }
}
