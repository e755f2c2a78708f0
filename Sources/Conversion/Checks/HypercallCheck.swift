import GuestInspection
import VMState

/// C21: a guest with several CPUs that sends IPIs by hypercall dies without KVM.
struct HypercallCheck: SnapshotCheck {
    let id = "C21"
    let title = "Hypercalls between CPUs"
    let explanation = """
        A Linux guest with several CPUs that runs on KVM sends IPIs, wakes spinning CPUs and yields by hypercalls (VMCALL or \
        VMMCALL), if KVM offers that. TCG has no hypercalls: the instruction raises #UD in the kernel, in the middle of an \
        interrupt, and the guest resets or panics. Where the kernel is found in RAM, its function pointers tell what it has \
        set up; else its log does, as far as it is still in RAM.
        """
    var repair: String? { NativeIPIRepair.id }

    func run(_ context: CheckContext) -> [Finding] {
        guard !context.target.hasKVMHypercalls, context.origin != .tcg || context.kernelLog != nil else { return [] }
        let count = context.cpus.count
        if count > 1, let kernel = context.kernel, let hooks = HypercallHooks.used(by: kernel) {
            if hooks.isEmpty { return [] }
            let isRare = count == 2 && HypercallHooks.areSingleIPIsNative(in: kernel)
            return [inUse(hooks, isRare: isRare, context)]
        }
        guard let log = context.kernelLog else {
            guard count > 1 else { return [] }
            return [
                finding(
                    .warning, "The guest's memory was not searched for signs of hypercalls",
                    evidence: [Finding.Evidence(value: "\(count) CPUs")],
                    effect: "If its kernel sends IPIs by hypercall, the guest would reset soon after it goes on.",
                    remedy: "Check the snapshot from the store, where its memory can be read.")
            ]
        }
        let deadly: Set<KernelMessage> = [.hypercallIPIs, .hypercallSpinlocks]
        let records = log.filter { $0.kind == .record && deadly.contains($0.message) }
        if !records.isEmpty {
            return [
                finding(
                    count > 1 ? .fatal : .warning,
                    count > 1
                        ? "The guest's CPUs reach each other by hypercall"
                        : "The kernel would use hypercalls between CPUs",
                    evidence: evidence(records),
                    effect: count > 1
                        ? "VMCALL and VMMCALL raise #UD in the target: the guest resets (triple fault) or panics."
                        : "With one CPU there is nobody to call; a second one must not be plugged in.",
                    remedy: "\(context.captureAgain) ('kvm=off' is what matters), or with one CPU.")
            ]
        }
        guard count > 1 else { return [] }
        let weak = log.filter { $0.kind == .record || ($0.kind == .copy && deadly.contains($0.message)) }
        if !weak.isEmpty {
            return [
                finding(
                    .warning, "There are signs of hypercalls between CPUs, but no proof", evidence: evidence(weak),
                    effect:
                        "If the running kernel printed these lines, the guest may die of #UD when its CPUs call each other.",
                    remedy: "Try the converted snapshot. If it dies: \(context.captureAgain).")
            ]
        }
        let interface = paravirtualInterface(context)
        guard !interface.isEmpty else { return [] }
        return [
            finding(
                .note, "The guest uses KVM's interface; its log says nothing of hypercalls between CPUs",
                evidence: interface,
                effect:
                    "The log is a ring: a guest that printed much may use them all the same, and would then die of #UD.",
                remedy: "Try the converted snapshot. If it dies: \(context.captureAgain).")
        ]
    }

    /// The kernel itself tells: its pointers lead to functions with hypercalls.
    private func inUse(_ hooks: [HypercallHooks.Hook], isRare: Bool, _ context: CheckContext) -> Finding {
        var finding = finding(
            isRare ? .warning : .fatal,
            isRare
                ? "The guest's CPUs wake each other by hypercall when they wait for a lock"
                : "The guest's CPUs reach each other by hypercall",
            evidence: hooks.map {
                Finding.Evidence(section: "memory", field: "\($0.variable).\($0.member)", value: $0.function)
            },
            effect: isRare
                ? "VMCALL and VMMCALL raise #UD in the target. The two CPUs send each other IPIs without them, so the guest lives until "
                    + "one of them waits for a lock of the other for long, or one stops the other: then it panics."
                : "VMCALL and VMMCALL raise #UD in the target: the guest resets (triple fault) or panics.",
            remedy: "\(context.captureAgain) ('kvm=off' is what matters), or with one CPU.")
        // A fatal one has the repair anyway.
        if isRare { finding.fix = NativeIPIRepair.id }
        return finding
    }

    private func evidence(_ list: [KernelLogEvidence]) -> [Finding.Evidence] {
        list.prefix(8).map {
            Finding.Evidence(
                section: "memory", field: hex($0.address),
                value: "\"\($0.text)\" (\($0.kind == .record ? "log record" : "copy"))")
        }
    }

    /// KVM's MSRs that the guest has switched on.
    private func paravirtualInterface(_ context: CheckContext) -> [Finding.Evidence] {
        context.cpus.flatMap { cpu in
            var list: [Finding.Evidence] = []
            if cpu.systemTimeMSR & 1 != 0 {
                list.append(
                    Finding.Evidence(
                        section: cpu.section.name, field: "env.system_time_msr", value: hex(cpu.systemTimeMSR)))
            }
            for name in ["cpu/async_pf_msr", "cpu/steal_time_msr", "cpu/async_pv_eoi_msr"] where cpu.hasSubsection(name)
            {
                list.append(Finding.Evidence(section: cpu.section.name, field: name, value: "present"))
            }
            return list
        }
    }
}
