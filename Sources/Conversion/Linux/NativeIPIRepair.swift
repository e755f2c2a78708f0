import GuestInspection
import VMState

/// Takes Linux off the hypercalls with which its CPUs reach each other under KVM (see <doc:LinuxRepairs>).
struct NativeIPIRepair: LinuxRepair {
    static let id = "linux-native-ipi"

    /// Functions that hold a hypercall; no CPU may be in the middle of one.
    private static let functions: Set<String> = [
        "__send_ipi_mask", "kvm_send_ipi_mask", "kvm_send_ipi_mask_allbutself", "kvm_smp_send_call_func_ipi",
        "kvm_kick_cpu", "kvm_flush_tlb_multi",
    ]

    func repair(_ guest: inout LinuxGuest) throws -> [StreamChange] {
        guest.lookUp(
            Self.functions.union(HypercallHooks.all.map(\.function)).union(HypercallHooks.natives).union(["apic"]))
        try refuseInside(&guest)
        let native = try nativeFunctions(&guest)
        for hook in HypercallHooks.all {
            guard guest.has(hook.function) else { continue }
            let entry = try FunctionEntry(guest.kernel, guest.symbol(hook.function))
            guard !entry.isRedirected(guest.kernel) else { continue }
            for cpu in guest.cpus where cpu.rip > entry.address && cpu.rip < entry.address + 5 {
                throw FixRefusal("CPU \(cpu.index) stands in \(hook.function); save the guest once more")
            }
            if let target = native[hook.function] {
                try guest.write(
                    entry.jump(to: target), to: entry.address, "\(hook.function): goes on in the native function")
            } else {
                // Waiting and waking by hypercall: whoever waits for a lock spins instead.
                try guest.write(FunctionEntry.emptyBody, to: entry.address, "\(hook.function): does nothing")
            }
        }
        return try wake(&guest)
    }

    /// Where each function goes on.
    private func nativeFunctions(_ guest: inout LinuxGuest) throws -> [String: UInt64] {
        let driver: UInt64 = try guest.read(guest.symbol("apic"))
        let name = guest.kernel.name(at: driver) ?? hex(driver)
        let mask: UInt64
        let others: UInt64
        switch name {
        case "apic_flat":
            mask = try guest.symbol("flat_send_IPI_mask")
            others = try guest.symbol("flat_send_IPI_mask_allbutself")
        case "apic_physflat":
            mask = try guest.symbol("default_send_IPI_mask_sequence_phys")
            others = try guest.symbol("default_send_IPI_mask_allbutself_phys")
        case "apic_x2apic_phys", "apic_x2apic_cluster":
            // Both drivers have functions of these names: those of this driver lie next to its other ones.
            let neighbour: UInt64 = try guest.read(driver &+ guest.field("apic", "send_IPI", size: 8))
            mask = try nearest("x2apic_send_IPI_mask", to: neighbour, &guest)
            others = try nearest("x2apic_send_IPI_mask_allbutself", to: neighbour, &guest)
        default:
            throw FixRefusal("the kernel's APIC driver \(name) is not known")
        }
        return try [
            "kvm_send_ipi_mask": mask, "kvm_send_ipi_mask_allbutself": others,
            "kvm_smp_send_call_func_ipi": guest.symbol("native_send_call_func_ipi"),
            "kvm_flush_tlb_multi": guest.symbol("native_flush_tlb_multi"),
        ]
    }

    private func nearest(_ name: String, to address: UInt64, _ guest: inout LinuxGuest) throws -> UInt64 {
        func distance(_ other: UInt64) -> UInt64 { other > address ? other - address : address - other }
        let found = guest.symbols(name).map(\.address).min { distance($0) < distance($1) }
        guard let found else { throw FixRefusal("the kernel has no symbol \(name)") }
        return found
    }

    private func refuseInside(_ guest: inout LinuxGuest) throws {
        for name in Self.functions.sorted() {
            for symbol in guest.symbols(name) {
                let end = guest.kernel.symbols.end(ofSymbolAt: symbol.address) ?? symbol.address
                for cpu in guest.cpus where cpu.rip > symbol.address && cpu.rip < end {
                    throw FixRefusal("CPU \(cpu.index) stands in \(name); save the guest once more")
                }
            }
        }
    }

    /// CPUs that sleep go on behind their HLT: one may wait for a wake-up by hypercall that does not come any more. Linux looks for
    /// what it waits for whenever it comes out of HLT.
    private func wake(_ guest: inout LinuxGuest) throws -> [StreamChange] {
        var changes: [StreamChange] = []
        for cpu in guest.cpus {
            guard let common = guest.snapshot.stream.device("cpu_common", cpu.index),
                try common.unsigned("halted") == 1, cpu.mpState == 3
            else { continue }
            try guest.set("cpu_common", cpu.index, "halted", to: 0, &changes)
        }
        return changes
    }
}
