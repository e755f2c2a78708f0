import VMState

/// C25: exceptions, NMIs and shutdowns on their way into the guest.
struct PendingExceptionCheck: SnapshotCheck {
    let id = "C25"
    let title = "Exception or NMI on its way into the CPU"
    var fix: String? { ReturnPendingEvents.id }
    let explanation = """
        An exception that KVM has not delivered yet is in exception_nr or in the subsection exception_info; TCG reads neither. \
        A fault leaves RIP at its instruction: dropped, it comes again by itself. A trap (#DB, #BP, #OF) leaves RIP behind, and \
        would be lost. An NMI that waits is in fields of KVM too; TCG wants it in interrupt_request. A CPU with a triple fault \
        would have been reset.
        """

    /// Exceptions that RIP repeats (Intel SDM, volume 3, table 6-1).
    static let faults: Set<Int32> = [0, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19, 21]

    /// Number of the exception that waits in a CPU; nil if none does.
    static func exception(_ cpu: CPUSection) throws(VMStateError) -> Int32? {
        if cpu.exceptionNumber >= 0 { return cpu.exceptionNumber }
        // QEMU writes the subsection for nested guests only; the number is then in exception_nr as well.
        return nil
    }

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg else { return [] }
        var fixable: [Finding.Evidence] = []
        var fatal: [Finding.Evidence] = []
        for cpu in context.cpus {
            let name = cpu.section.name
            if let number = try Self.exception(cpu) {
                let evidence = Finding.Evidence(section: name, field: "env.exception_nr", value: "\(number)")
                if Self.faults.contains(number) { fixable.append(evidence) } else { fatal.append(evidence) }
            }
            if let pending = try cpu.first(of: "cpu/exception_info", bytes: 1), pending != 0 {
                fatal.append(Finding.Evidence(section: name, field: "cpu/exception_info", value: "pending"))
            }
            if let triple = try cpu.first(of: "cpu/triple_fault", bytes: 1), triple != 0 {
                fatal.append(Finding.Evidence(section: name, field: "cpu/triple_fault", value: "pending"))
            }
            for (field, value) in [
                ("env.nmi_injected", cpu.nmiInjected), ("env.nmi_pending", cpu.nmiPending),
            ] where value != 0 {
                fixable.append(Finding.Evidence(section: name, field: field, value: "\(value)"))
            }
        }
        var findings: [Finding] = []
        if !fatal.isEmpty {
            findings.append(
                finding(
                    .fatal, "A trap or a shutdown is on its way into the CPU", evidence: fatal,
                    effect: "It would be lost: a debugger misses its stop, or a CPU that should be reset runs on.",
                    remedy: "Take the snapshot again; a moment later is enough."))
        }
        if !fixable.isEmpty {
            findings.append(
                finding(
                    .fixable, "A fault or an NMI is on its way into the CPU", evidence: fixable,
                    effect: "An NMI would be lost. A fault comes again by itself, but is noted as under way.",
                    remedy: "Convert the snapshot: NMIs are requested anew, faults are dropped."))
        }
        return findings
    }
}
