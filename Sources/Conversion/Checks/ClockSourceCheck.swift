import VMState

/// C27: which clock the guest's kernel uses.
struct ClockSourceCheck: SnapshotCheck {
    let id = "C27"
    let title = "Clock source of the kernel"
    var repair: String? { NativeClockRepair.id }
    let explanation = """
        Linux keeps time by one clock source: kvm-clock, tsc, hpet or acpi_pm. All go on under TCG as long as the counter goes \
        on (C06, C08); hpet and acpi_pm are devices with their own state in the stream. Which one it is tells what to look at \
        first if time stands still. kvm-clock is a counter value and a factor in pages that KVM filled; the repair moves the \
        kernel to tsc, or where the counter runs at another rate to hpet or acpi_pm. The name is read from the kernel's memory, where the kernel was looked for: for guests \
        with several CPUs, and with a policy that allows repairs.
        """

    func run(_ context: CheckContext) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg, let source = context.clockSource() else {
            return []
        }
        if source.name == "kvm-clock", !context.target.hasKVMClock {
            var finding = finding(
                .note, "The kernel's clock source is kvm-clock, which nobody drives any more",
                evidence: [source.evidence],
                effect: """
                    It goes on if C06 and C08 are in order; a CPU that comes up for the first time, or the way out of a \
                    suspend, would bring a page that nobody fills.
                    """,
                remedy: "Nothing to do; a policy with 'repairs: linux' moves the kernel to another clock.")
            finding.fix = NativeClockRepair.id
            return [finding]
        }
        return [
            finding(
                .note, "The kernel's clock source is \(source.name)", evidence: [source.evidence],
                effect: "It goes on if C06 and C08 are in order.", remedy: "Nothing to do.")
        ]
    }
}
