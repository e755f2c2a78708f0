/// What becomes of a guest that has seen a feature and goes on where it is missing.
package struct FeatureMeaning: Sendable, Hashable {
    /// How bad it is.
    package enum Risk: String, Sendable, Codable, Comparable {
        /// Nothing in the running guest depends on it.
        case none
        /// Programs that chose it, or choose it later, fail.
        case programs
        /// The kernel uses it all the time: the guest hangs or dies.
        case kernel

        private var rank: Int {
            switch self {
            case .none: 0
            case .programs: 1
            case .kernel: 2
            }
        }

        package static func < (left: Risk, right: Risk) -> Bool { left.rank < right.rank }
    }

    package let risk: Risk
    /// A sentence about the effect.
    package let effect: String

    /// The meaning of losing a feature.
    package static func ofLosing(_ feature: CPUFeature) -> FeatureMeaning {
        if let own = special[feature.name] { return own }
        return switch feature.group {
        case .instructions, .vector:
            FeatureMeaning(
                risk: .programs,
                effect: "its instructions raise #UD in programs and libraries that chose them when they started")
        case .state:
            FeatureMeaning(
                risk: .kernel, effect: "the kernel saves and restores registers with it at every switch between tasks")
        case .system:
            FeatureMeaning(risk: .kernel, effect: "the kernel has switched it on and relies on it")
        case .timers:
            FeatureMeaning(risk: .kernel, effect: "the kernel may take time or interrupts from it")
        case .mitigations:
            FeatureMeaning(risk: .none, effect: "defences against speculation, which a translator does not need")
        case .monitoring:
            FeatureMeaning(risk: .none, effect: "only measuring and debugging tools use it")
        case .platform:
            FeatureMeaning(risk: .none, effect: "a statement about the machine that hardly any guest acts on")
        case .virtualization:
            FeatureMeaning(risk: .none, effect: "matters only while the guest runs guests or enclaves of its own")
        case .paravirtual:
            FeatureMeaning(risk: .kernel, effect: "the kernel talks to KVM through it, and nobody answers")
        }
    }

    /// The meaning of losing a bit that has no name.
    package static let unnamed = FeatureMeaning(
        risk: .programs, effect: "what it stands for is not known here, so neither is the effect")

    private static func kernel(_ effect: String) -> FeatureMeaning { FeatureMeaning(risk: .kernel, effect: effect) }
    private static func none(_ effect: String) -> FeatureMeaning { FeatureMeaning(risk: .none, effect: effect) }
    private static func programs(_ effect: String) -> FeatureMeaning {
        FeatureMeaning(risk: .programs, effect: effect)
    }

    /// Features of which more is known than of their group.
    private static let special: [String: FeatureMeaning] = [
        "pcid": kernel("the kernel sets bit 63 when it writes CR3, which QEMU's translator takes for a wrong address"),
        "invpcid": kernel("the kernel flushes translations with INVPCID, which raises #UD"),
        "x2apic": kernel("the kernel reaches its APIC through MSRs that do nothing: no interrupt is ever acknowledged"),
        "tsc-deadline": kernel(
            "the kernel's timer waits for a TSC value that nobody watches: the guest sleeps for ever"),
        "xsaves": kernel("the kernel saves registers with XSAVES in the compacted form; XRSTORS raises #UD"),
        "xsavec": kernel("programs and kernel save registers with XSAVEC, which raises #UD"),
        "xsaveopt": kernel("the kernel saves registers with XSAVEOPT, which raises #UD"),
        "xsave": kernel("the kernel saves registers with XSAVE, which raises #UD"),
        "smap": kernel("the kernel's STAC and CLAC raise #UD"),
        "smep": kernel("CR4 keeps a bit that the CPU says it does not have"),
        "fsgsbase": kernel("the kernel enters and leaves with WRGSBASE and RDGSBASE, which raise #UD"),
        "umip": kernel("CR4 keeps a bit that the CPU says it does not have"),
        "pku": kernel("CR4 and XCR0 keep bits that the CPU says it does not have; RDPKRU raises #UD"),
        "pks": kernel("CR4 keeps a bit that the CPU says it does not have"),
        "la57": kernel("the kernel's page tables have five levels"),
        "nx": kernel("page tables have a bit that is reserved without it: every access faults"),
        "lm": kernel("there is no 64-bit mode"),
        "syscall": kernel("system calls raise #UD"),
        "pdpe1gb": kernel("the kernel maps memory with pages of 1 GiB"),
        "rdtscp": programs("RDTSCP raises #UD, in the kernel's clock page for programs too"),
        "rdpid": programs("RDPID raises #UD, in the kernel's entry code and in getcpu()"),
        "invtsc": none("the guest keeps trusting its TSC, which a translator changes only together with time"),
        "arat": none("the kernel then takes a broadcast timer when it looks again, at its next boot"),
        "erms": none("REP MOVSB still works, only the speed may differ"),
        "fsrm": none("REP MOVSB still works, only the speed may differ"),
        "fzrm": none("REP MOVSB still works, only the speed may differ"),
        "fsrs": none("REP STOSB still works, only the speed may differ"),
        "fsrc": none("REP CMPSB still works, only the speed may differ"),
        "vme": none("only 16-bit programs in virtual-8086 mode run slower"),
        "bus-lock-detect": none("the kernel only warns of locks that cross cache lines"),
        "hle": none("the prefixes are ignored where HLE is missing"),
        "clflushopt": programs("CLFLUSHOPT raises #UD"),
        "monitor": kernel("an idle loop that uses MWAIT raises #UD"),
        "mpx": none("kernels since 5.6 do not use it"),
        "cldemote": none("runs as a NOP where it is missing"),
        "prefetchiti": none("runs as a NOP where it is missing"),
        "3dnowprefetch": none("PREFETCHW runs as a NOP where it is missing"),
        "ht": none("a statement about the number of logical processors"),
        "hypervisor": none("programs can no longer see that they run in a guest"),
        "tsc-adjust": none("read at the start of a CPU only"),
        "spec-ctrl": none("writes to the MSR are ignored by a translator, and it needs no such defence"),
        "kvm-pv-eoi": kernel(
            "the kernel leaves out the end of an interrupt when KVM's flag is set, and nobody clears it"),
        "kvm-asyncpf": kernel("tasks that wait for a page that KVM promised wait for ever"),
        "kvm-pv-ipi": kernel("interrupts between CPUs are hypercalls, which raise #UD: several CPUs do not work"),
        "kvm-pv-sched-yield": kernel("yielding is a hypercall, which raises #UD"),
        "kvm-pv-unhalt": kernel("waking a CPU that waits for a lock is a hypercall, which raises #UD"),
        "kvm-pv-tlb-flush": kernel("a CPU that KVM marked as not running never flushes its translations"),
        "kvm-steal-time": kernel("marks of a CPU that was not running stay, and translations go stale"),
        "kvmclock": kernel("the kernel's clock reads a page that nobody updates; time may jump"),
        "kvmclock-2": kernel("the kernel's clock reads a page that nobody updates; time may jump"),
        "kvmclock-stable-bit": none("how the clock's page is read"),
        "kvm-nopiodelay": none("a hint about slow ports"),
        "kvm-poll-control": none("an MSR that only tunes idle loops"),
        "kvm-hint-dedicated": none("a hint for spin locks"),
        "kvm-msi-ext-dest-id": none("matters only beyond 255 CPUs"),
    ]
}
