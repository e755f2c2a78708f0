/// The policies that Stemma comes with, so that it works without its source tree. They are the files in `policies/`; a test
/// compares them.
package enum BuiltInPolicies {
    /// Their names, in the order for messages.
    package static let names = ["default", "strict", "permissive", "s2e", "research-intel", "linux-repairs"]

    /// The text of a policy, or nil for another name.
    package static func text(_ name: String) -> String? {
        switch name {
        case "default": standard
        case "strict": strict
        case "permissive": permissive
        case "s2e": s2e
        case "research-intel": researchIntel
        case "linux-repairs": linuxRepairs
        default: nil
        }
    }

    private static let standard = #"""
        # What `stemma check` and `stemma convert` do unless they are told otherwise. Copy it, change it, and name the copy with
        # --policy FILE. `stemma check --explain C09` tells what a check is about.
        #
        # target:   what shall resume the snapshot, unless --target names it: installed-tcg, qemu-tcg-7.2, qemu-tcg-10.0,
        #           s2e-libcpu, kvm, or a file that describes a target.
        # repairs:  none, or linux: passes that look into the guest's kernel.
        # warnings: what warnings count as, for all checks: fatal, warning or note.
        # checks:
        #   severity: for findings that are fatal or fixable by themselves: fatal (no conversion), fixable, warning, note or off.
        #   fatal:    for those that stay fatal because nothing can be done: fatal, warning or note.
        #   warnings: for the warnings of this check.
        #   fix:      allow or forbid, for checks that have a fix.
        #   waive:    a reason; the findings of the check are notes.
        #   reason:   why the policy says so; it is printed with the finding.
        # fixes:    allow or forbid single fixes by their names.
        #
        # Checks that are not named keep the severities of their findings: what cannot be repaired is fatal, what can is fixable.
        version: 1
        repairs: none
        checks:
          C01: {severity: fatal}                # machine type unknown to the target
          C02: {severity: fixable, fix: allow}  # sections that only KVM has: remove-kvm-sections
          C03: {fix: allow}                     # devices and CPUs of the command line: set-cpu-count
          C04: {fix: allow}                     # subsections of newer QEMUs: drop-unknown-subsections
          C05: {severity: fixable, fix: allow}  # derived CPU flags: recompute-hflags
          C06: {severity: fixable, fix: allow}  # time stamp counter: continue-tsc
          C08: {fix: allow}                     # kvmclock: settle-clock-page
          C09: {severity: fatal}                # LAPIC timer in TSC-deadline mode
          C10: {fix: allow}                     # x2APIC mode, where the target or its -cpu lacks it: set-cpu-features
          C11: {severity: fatal}                # process-context identifiers
          C12: {fix: allow}                     # CR4 and the CPU's features: set-cpu-features
          C13: {severity: fatal}                # XCR0 and XSS
          C14: {severity: fatal}                # XSAVES and XSAVEC
          C15: {severity: fatal}                # layout of the XSAVE area
          C16: {severity: fatal}                # live AVX-512 and AMX registers
          C17: {fix: allow}                     # EFER: set-cpu-features
          C18: {severity: fixable, fix: allow}  # asynchronous page faults: wake-page-fault-sleepers
          C19: {severity: fixable, fix: allow}  # steal time: reset-steal-time
          C20: {severity: fixable, fix: allow}  # paravirtual end of interrupt: clear-pv-eoi
          C21: {severity: fatal}                # hypercalls between CPUs
          C23: {fix: allow}                     # interrupt on its way into the CPU: return-interrupt
          C24: {severity: fixable, fix: allow}  # interrupts that wait in the APIC: request-poll
          C25: {fix: allow}                     # exception or NMI on its way into the CPU: return-events
          C26: {severity: fixable, fix: allow}  # CPUs that stand still: park-cpus
          C29: {severity: fatal}                # Hyper-V enlightenments
          C30: {severity: fatal}                # nested virtual machines
          C31: {severity: fixable, fix: allow}  # counters and traces of the hardware: drop-hardware-tracing
          C33: {severity: fixable, fix: allow}  # width of physical addresses: set-phys-bits
          C34: {fix: allow}                     # RAM blocks: set-memory-size
          C35: {severity: fixable, fix: allow}  # IOAPIC version: set-ioapic-version
          C36: {severity: fatal}                # run state of the machine
          C37: {severity: fatal}                # disks of the snapshot
          C41: {severity: fixable, fix: allow}  # CPU model of the command line: set-cpu-model
          C42: {severity: fixable, fix: allow}  # the way back: time stamp counter: hand-over-tsc
          C43: {severity: fixable, fix: allow}  # the way back: run state and events: hand-over-events
          C44: {fix: allow}                     # the way back: TCG's SVM state: drop-svm-state
          C45: {warnings: warning}              # the way back: features that KVM's hosts lack

        """#

    private static let strict = #"""
        # For experiments that have to be beyond doubt: every difference of the CPU is fatal, also one that might never matter, and
        # so is everything that could not be found out.
        version: 1
        repairs: none
        # What may matter, and what is not known, stops the conversion.
        warnings: fatal
        checks:
          # Features that programs may have chosen their code by.
          C38: {warnings: fatal, reason: a program may use what the target does not execute}
          C07: {warnings: fatal, reason: the guest's clock would run at another rate}
          # The CPU has to be the one that the guest booted with: no guessing.
          C41: {fix: forbid, reason: the CPU model must not change; boot the guest with one that the target has}
          C12: {fix: forbid, reason: features must not be added behind the guest's back}
          C17: {fix: forbid, reason: features must not be added behind the guest's back}
          # State that is dropped is lost, even where the target would ignore it.
          C04: {fix: forbid, reason: state must not be dropped}
          C31: {fix: forbid, reason: state must not be dropped}
          C25: {fix: forbid, reason: a fault that is dropped is taken twice}

        """#

    private static let permissive = #"""
        # To try what happens: nothing is refused because the guest might not live. Findings without a fix become warnings; what has
        # a fix is fixed. What QEMU itself refuses to load stays fatal.
        version: 1
        repairs: linux
        checks:
          C09: {fatal: warning, reason: the guest may not need its timer}
          C10: {fatal: warning, reason: the guest may go on until its next interrupt}
          C11: {fatal: warning, reason: the kernel may have been told 'nopcid' meanwhile}
          C12: {fatal: warning, reason: only the next write to CR4 matters}
          C13: {fatal: warning, reason: only switches of threads matter}
          C14: {fatal: warning, reason: only switches of threads matter}
          C15: {fatal: warning, reason: protection keys are hardly used}
          C16: {fatal: warning, reason: only the thread that uses them is lost}
          C21: {fatal: warning, reason: the CPUs may not call each other}
          C23: {fatal: warning, reason: one interrupt is lost}
          C25: {fatal: warning, reason: one event is lost}
          C29: {fatal: warning, reason: the guest may not use them any more}
          C36: {fatal: warning, reason: to look at a guest that has died}
          C38: {warnings: note, reason: programs may not use them}
          C45: {fatal: warning, reason: the host may have the features}

        """#

    private static let s2e = #"""
        # Snapshots for S2E: its translator knows far fewer instructions than QEMU's (SSE3 at most, no AES, no XSAVE, no AVX), and
        # has one CPU. What a program has chosen by a better CPU is fatal here, because S2E stops at the first unknown instruction.
        version: 1
        target: s2e-libcpu
        repairs: linux
        checks:
          C05: {severity: fixable, fix: allow}
          C12: {severity: fatal}
          C13: {severity: fatal}
          C14: {severity: fatal, warnings: fatal}
          C21: {severity: fatal, warnings: fatal, reason: S2E explores with one CPU}
          C38: {warnings: fatal, reason: S2E stops at instructions that its translator does not know}
          # Clones are what S2E makes of every snapshot.
          C40: {waive: all states of an exploration come from one snapshot}

        """#

    private static let researchIntel = #"""
        # An example for a group with Intel servers: guests are booted under KVM with
        #   -cpu Haswell-noTSX,-pcid,-invpcid,-x2apic,-tsc-deadline,kvm=off
        # and explored under QEMU 7.2. Snapshots of other CPUs are refused with the reason, instead of being repaired one by one.
        version: 1
        target: qemu-tcg-7.2
        repairs: linux
        checks:
          # Taken with the model above, none of these can happen; if one does, the wrong command line was used.
          C11: {severity: fatal, reason: "boot with the group's CPU model, which has no PCID"}
          C13: {severity: fatal, reason: "boot with the group's CPU model, which has no AVX-512"}
          C14: {severity: fatal, warnings: fatal, reason: "boot with the group's CPU model, which has no XSAVES"}
          C38: {warnings: fatal, reason: boot with the group's CPU model}
          C41: {severity: fixable, fix: allow}
          # The servers differ in clock rate by a few percent, and nobody measures time in these guests.
          C07: {waive: the guests do not measure time}
          C32: {severity: off}
          C40: {waive: guests have no network}
        fixes:
          # Physical addresses are 40 bits with the model above; more means another command line.
          set-phys-bits: forbid

        """#

    private static let linuxRepairs = #"""
        # The default policy, and repairs that change the kernel of a Linux guest in its memory, for guests that got used to what only
        # KVM or a newer translator has: the LAPIC timer in TSC-deadline mode, x2APIC, hypercalls between CPUs, kvm-clock. A repair is applied
        # only where the guest's own symbols and types are what it knows; see Sources/Conversion/Conversion.docc/LinuxRepairs.md.
        version: 1
        repairs: linux
        checks:
          C01: {severity: fatal}                # machine type unknown to the target
          C02: {severity: fixable, fix: allow}  # sections that only KVM has: remove-kvm-sections
          C03: {fix: allow}                     # devices and CPUs of the command line: set-cpu-count
          C04: {fix: allow}                     # subsections of newer QEMUs: drop-unknown-subsections
          C05: {severity: fixable, fix: allow}  # derived CPU flags: recompute-hflags
          C06: {severity: fixable, fix: allow}  # time stamp counter: continue-tsc
          C08: {fix: allow}                     # kvmclock: settle-clock-page
          C09: {severity: fatal, fix: allow}    # LAPIC timer in TSC-deadline mode: linux-lapic-oneshot
          C10: {fix: allow}                     # x2APIC mode, where the target or its -cpu lacks it: set-cpu-features, linux-xapic
          C11: {severity: fatal}                # process-context identifiers
          C12: {fix: allow}                     # CR4 and the CPU's features: set-cpu-features
          C13: {severity: fatal}                # XCR0 and XSS
          C14: {severity: fatal}                # XSAVES and XSAVEC
          C15: {severity: fatal}                # layout of the XSAVE area
          C16: {severity: fatal}                # live AVX-512 and AMX registers
          C17: {fix: allow}                     # EFER: set-cpu-features
          C18: {severity: fixable, fix: allow}  # asynchronous page faults: wake-page-fault-sleepers
          C19: {severity: fixable, fix: allow}  # steal time: reset-steal-time
          C20: {severity: fixable, fix: allow}  # paravirtual end of interrupt: clear-pv-eoi
          C21: {severity: fatal, fix: allow}    # hypercalls between CPUs: linux-native-ipi
          C23: {fix: allow}                     # interrupt on its way into the CPU: return-interrupt
          C24: {severity: fixable, fix: allow}  # interrupts that wait in the APIC: request-poll
          C25: {fix: allow}                     # exception or NMI on its way into the CPU: return-events
          C26: {severity: fixable, fix: allow}  # CPUs that stand still: park-cpus
          C29: {severity: fatal}                # Hyper-V enlightenments
          C30: {severity: fatal}                # nested virtual machines
          C31: {severity: fixable, fix: allow}  # counters and traces of the hardware: drop-hardware-tracing
          C33: {severity: fixable, fix: allow}  # width of physical addresses: set-phys-bits
          C34: {fix: allow}                     # RAM blocks: set-memory-size
          C35: {severity: fixable, fix: allow}  # IOAPIC version: set-ioapic-version
          C36: {severity: fatal}                # run state of the machine
          C37: {severity: fatal}                # disks of the snapshot
          C41: {severity: fixable, fix: allow}  # CPU model of the command line: set-cpu-model
          C42: {severity: fixable, fix: allow}  # the way back: time stamp counter: hand-over-tsc
          C43: {severity: fixable, fix: allow}  # the way back: run state and events: hand-over-events
          C44: {fix: allow}                     # the way back: TCG's SVM state: drop-svm-state
          C45: {warnings: warning}              # the way back: features that KVM's hosts lack

        """#
}

extension ConversionPolicy {
    /// A policy that Stemma comes with.
    package init(builtIn name: String) throws(ConversionError) {
        guard let text = BuiltInPolicies.text(name) else {
            throw ConversionError(
                .policy,
                "there is no policy \"\(name)\"; known are \(BuiltInPolicies.names.joined(separator: ", ")), or name a file"
            )
        }
        try self.init(yaml: text, name: "\(name).yaml")
    }

    /// The usual policy, `policies/default.yaml`. Without it, findings have their own severities.
    package static let standard = (try? ConversionPolicy(builtIn: "default")) ?? ConversionPolicy(rules: [:])
}
