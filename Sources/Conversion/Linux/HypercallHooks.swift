import GuestInspection

/// The functions of a Linux guest that call KVM when CPUs reach each other, and whether they are in use.
struct HypercallHooks {
    /// A function that executes hypercalls.
    struct Hook: Sendable {
        /// The function.
        let function: String
        /// The pointer in `struct`ures that leads to it once it is in use: a global variable, a member, and whether the variable
        /// is itself a pointer.
        let variable: String
        let structure: String
        let member: String
        let isIndirect: Bool
    }

    static let all: [Hook] = [
        Hook(
            function: "kvm_send_ipi_mask", variable: "apic", structure: "apic", member: "send_IPI_mask",
            isIndirect: true),
        Hook(
            function: "kvm_send_ipi_mask_allbutself", variable: "apic", structure: "apic",
            member: "send_IPI_mask_allbutself", isIndirect: true),
        Hook(
            function: "kvm_smp_send_call_func_ipi", variable: "smp_ops", structure: "smp_ops",
            member: "send_call_func_ipi", isIndirect: false),
        Hook(
            function: "kvm_flush_tlb_multi", variable: "pv_ops", structure: "paravirt_patch_template",
            member: "mmu.flush_tlb_multi", isIndirect: false),
        Hook(
            function: "kvm_kick_cpu", variable: "pv_ops", structure: "paravirt_patch_template", member: "lock.kick",
            isIndirect: false),
        Hook(
            function: "kvm_wait", variable: "pv_ops", structure: "paravirt_patch_template", member: "lock.wait",
            isIndirect: false),
    ]

    /// The functions that the kernel uses without KVM.
    static let natives: Set<String> = [
        "flat_send_IPI_mask", "flat_send_IPI_mask_allbutself", "default_send_IPI_mask_sequence_phys",
        "default_send_IPI_mask_allbutself_phys", "x2apic_send_IPI_mask", "x2apic_send_IPI_mask_allbutself",
        "native_send_call_func_ipi", "native_flush_tlb_multi",
    ]

    /// Whether the kernel reaches one other CPU by its local APIC, whatever it does to reach several at once: so it is in the physical mode
    /// of the APIC, the only one of Linux 6.12. In the logical mode one CPU is a mask of CPUs too.
    static func areSingleIPIsNative(in kernel: LinuxKernel) -> Bool {
        guard let types = kernel.types, let variable = kernel.symbol("apic"), let native = kernel.symbol(singleIPI),
            let field = types.field("apic", "send_IPI"), let driver: UInt64 = try? kernel.pages.integer(at: variable),
            let target: UInt64 = try? kernel.pages.integer(at: driver &+ field.offset)
        else { return false }
        return target == native
    }

    private static let singleIPI = "default_send_IPI_single_phys"

    /// The hooks that are in use: the pointer leads to the function, and the function is not redirected.
    ///
    /// - Returns: nil if the kernel's symbols or types do not answer the question.
    static func used(by kernel: LinuxKernel) -> [Hook]? {
        guard let types = kernel.types else { return nil }
        let names = Set(all.flatMap { [$0.function, $0.variable] })
        let symbols = kernel.symbols.symbols(named: names)
        var used: [Hook] = []
        for hook in all {
            // A kernel without the function does not use it.
            guard let function = symbols[hook.function]?.first?.address else { continue }
            guard var base = symbols[hook.variable]?.first?.address,
                let field = types.field(hook.structure, hook.member)
            else { return nil }
            do {
                if hook.isIndirect { base = try kernel.pages.integer(at: base) }
                let target: UInt64 = try kernel.pages.integer(at: base &+ field.offset)
                guard target == function else { continue }
                let entry = try FunctionEntry(kernel, function)
                if !entry.isRedirected(kernel) { used.append(hook) }
            } catch {
                return nil
            }
        }
        return used
    }
}

/// The beginning of a kernel function, where it can be redirected.
struct FunctionEntry {
    /// Address behind the landing mark and the room for tracing: there a jump takes five bytes.
    let address: UInt64
    /// The five bytes at `address`.
    let code: [UInt8]

    private static let landingMark: [UInt8] = [0xf3, 0x0f, 0x1e, 0xfa]

    init(_ kernel: LinuxKernel, _ function: UInt64) throws {
        let bytes = try kernel.pages.bytes(at: function, count: 16)
        var skip = bytes.starts(with: Self.landingMark) ? 4 : 0
        // Room for the tracer's call: a long NOP of five bytes, or the call itself.
        let room = Array(bytes[skip..<skip + 5])
        if room == [0x0f, 0x1f, 0x44, 0x00, 0x00] || room == [0x66, 0x0f, 0x1f, 0x44, 0x00] || room[0] == 0xe8 {
            skip += 5
        }
        address = function + UInt64(skip)
        code = Array(bytes[skip..<skip + 5])
    }

    /// A jump to a native function, or a return followed by breakpoints: what ``NativeIPIRepair`` writes. The kernel's own code may
    /// begin with a jump as well.
    func isRedirected(_ kernel: LinuxKernel) -> Bool {
        guard code[0] == 0xe9 else { return code == Self.emptyBody }
        let displacement = code[1...4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let target = address &+ 5 &+ UInt64(bitPattern: Int64(Int32(bitPattern: displacement)))
        return kernel.name(at: target).map(HypercallHooks.natives.contains) ?? false
    }

    /// The code of a function that does nothing.
    static let emptyBody: [UInt8] = [0xc3, 0xcc, 0xcc, 0xcc, 0xcc]

    /// The code that goes on in another function.
    func jump(to target: UInt64) -> [UInt8] {
        let displacement = UInt32(truncatingIfNeeded: target &- address &- 5)
        return [0xe9] + (0..<4).map { UInt8(truncatingIfNeeded: displacement >> UInt32(8 * $0)) }
    }
}
