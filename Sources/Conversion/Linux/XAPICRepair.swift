import GuestInspection
import VMState

/// Takes Linux's LAPICs from x2APIC back to xAPIC mode, with the driver for physical destinations (see <doc:LinuxRepairs>).
struct XAPICRepair: LinuxRepair {
    static let id = "linux-xapic"

    /// `X86_FEATURE_X2APIC`: CPUID leaf 1, ECX, bit 21.
    private static let feature = (word: UInt64(4), bit: UInt32(21))
    /// Where the registers are mapped in physical memory.
    private static let registers: UInt64 = 0xfee0_0000
    /// `FIXADDR_TOP` of x86-64: fixed mappings count down from here.
    private static let fixedMappingsTop: UInt64 = 0xffff_ffff_ff7f_f000
    /// Functions that talk to an x2APIC; no CPU may be in the middle of one.
    private static let functions: Set<String> = [
        "native_apic_msr_write", "native_apic_msr_read", "native_apic_msr_eoi_write", "native_apic_msr_eoi",
        "native_x2apic_icr_write", "native_x2apic_icr_read", "x2apic_send_IPI", "x2apic_send_IPI_mask",
        "x2apic_send_IPI_mask_allbutself", "x2apic_send_IPI_allbutself", "x2apic_send_IPI_all", "x2apic_send_IPI_self",
        "__x2apic_send_IPI_mask", "__x2apic_send_IPI_dest", "__x2apic_send_IPI_shorthand",
    ]

    func repair(_ guest: inout LinuxGuest) throws -> [StreamChange] {
        guest.lookUp(
            Self.functions.union([
                "apic", "apic_x2apic_phys", "apic_physflat", "x2apic_mode", "x2apic_state", "boot_cpu_data", "cpu_info",
                "__per_cpu_offset",
            ]))
        let pointer = try guest.symbol("apic")
        let driver: UInt64 = try guest.read(pointer)
        guard driver == (try guest.symbol("apic_x2apic_phys")) else {
            let name = guest.kernel.name(at: driver) ?? hex(driver)
            throw FixRefusal("the kernel's APIC driver is \(name); only apic_x2apic_phys is known")
        }
        for cpu in guest.cpus {
            guard cpu.index < 255 else { throw FixRefusal("xAPIC mode has no CPU \(cpu.index)") }
            for name in Self.functions {
                for symbol in guest.symbols(name) {
                    let end = guest.kernel.symbols.end(ofSymbolAt: symbol.address) ?? symbol.address
                    guard !(symbol.address..<max(end, symbol.address)).contains(cpu.rip) else {
                        throw FixRefusal("CPU \(cpu.index) stands in \(name); save the guest once more")
                    }
                }
            }
        }
        let index = try guest.enumerator("FIX_APIC_BASE", of: "fixed_addresses")
        let window = Self.fixedMappingsTop &- index << 12
        guard try guest.kernel.pages.translate(window)?.address == Self.registers else {
            throw FixRefusal("the kernel has not mapped the LAPIC's registers at \(hex(window))")
        }
        let physical = try guest.symbol("apic_physflat")
        if try guest.hasStaticCalls("apic_call_write") {
            try guest.installDriver(physical)
        }
        try guest.write(physical, to: pointer, "apic: apic_physflat")
        try guest.write(UInt32(0), to: guest.symbol("x2apic_mode"), "x2apic_mode")
        // X2APIC_DISABLED, the second state in all versions.
        try guest.write(UInt32(1), to: guest.symbol("x2apic_state"), "x2apic_state")
        try guest.clearFeature(Self.feature, "X2APIC")

        var changes: [StreamChange] = []
        for apic in guest.snapshot.stream.devices(named: "apic") {
            let base = try apic.unsigned("apicbase")
            try guest.set("apic", apic.instanceID, "apicbase", to: base & ~(1 << 10), &changes)
        }
        return changes
    }
}
