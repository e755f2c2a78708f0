import VMState

/// C30: virtual machines inside the guest.
struct NestedGuestCheck: SnapshotCheck {
    let id = "C30"
    let title = "Nested virtual machines"
    let explanation = """
        A guest that runs virtual machines itself has state in KVM (nested_state: the control block of the inner guest), which \
        TCG cannot load. TCG has SVM, but keeps its state in other fields, and no VMX: a guest with CR4.VMXE set executes \
        instructions that raise #UD.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard context.target.accelerator == .tcg, context.origin != .tcg else { return [] }
        var evidence: [Finding.Evidence] = []
        for cpu in context.cpus {
            let name = cpu.section.name
            for subsection in ["cpu/nested_state", "cpu/svn_npt"] where cpu.hasSubsection(subsection) {
                evidence.append(Finding.Evidence(section: name, field: subsection, value: "present"))
            }
            if cpu.hflags >> 21 & 1 != 0 {
                evidence.append(
                    Finding.Evidence(section: name, field: "env.hflags", value: "\(hex(cpu.hflags)): GUEST"))
            }
            if cpu.cr4 >> 13 & 1 != 0 {
                evidence.append(Finding.Evidence(section: name, field: "env.cr[4]", value: "\(hex(cpu.cr4)): VMXE"))
            }
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fatal, "The guest runs virtual machines itself", evidence: evidence,
                effect: "QEMU refuses the state of the inner guest, or the guest gets #UD at its next VMX instruction.",
                remedy: "Stop the inner guests and unload the guest's kvm module before the snapshot, or boot with "
                    + "'-vmx,-svm' in '-cpu'.")
        ]
    }
}
