import VMState

/// C26: CPUs that have not been started.
struct RunStateOfCPUsCheck: SnapshotCheck {
    let id = "C26"
    let title = "Run state of the CPUs"
    var fix: String? { ParkCPUs.id }
    let explanation = """
        KVM keeps in mp_state whether a CPU runs, is halted, or waits for its start-up interrupt. TCG reads instead "halted" \
        in cpu_common and wait_for_sipi in the APIC. A CPU that nobody started yet would run from the reset vector under TCG, \
        through the firmware, in the middle of the guest's work. The fix halts it and lets its APIC wait for the start-up \
        interrupt.
        """

    /// KVM's numbers (Linux, `include/uapi/linux/kvm.h`).
    static let uninitialised: UInt32 = 1
    static let initReceived: UInt32 = 2
    static let halted: UInt32 = 3
    static let sipiReceived: UInt32 = 4

    /// Whether TCG would treat a CPU as KVM did.
    static func isConsistent(_ cpu: CPUSection, position: Int, _ stream: MigrationStream) throws(VMStateError) -> Bool {
        guard let common = stream.device("cpu_common", cpu.index) else { return true }
        let isHalted = try common.unsigned("halted") != 0
        switch cpu.mpState {
        case uninitialised, initReceived, sipiReceived:
            let apics = stream.devices(named: "apic")
            guard isHalted, position < apics.count, apics[position].contains("apic_sipi") else { return false }
            // Field 0 is the vector, field 1 the wait.
            return try apics[position].bytes("apic_sipi").suffix(4).contains { $0 != 0 }
        // QEMU writes "halted" for halted CPUs of KVM too; a repair may have woken one since, which does no harm.
        default: return true
        }
    }

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg else { return [] }
        var evidence: [Finding.Evidence] = []
        for (position, cpu) in context.cpus.enumerated() {
            guard try !Self.isConsistent(cpu, position: position, context.stream) else { continue }
            let words = [1: "not started", 2: "INIT received", 4: "start-up interrupt received"]
            evidence.append(
                Finding.Evidence(
                    section: cpu.section.name, field: "env.mp_state",
                    value: "\(cpu.mpState): \(words[Int(cpu.mpState)] ?? "unknown")"))
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fixable, "CPUs have not been started, which TCG does not see", evidence: evidence,
                effect:
                    "They would run from the reset vector, through the firmware, in the middle of the guest's work.",
                remedy: "Convert the snapshot: they are halted for TCG as well.")
        ]
    }
}
