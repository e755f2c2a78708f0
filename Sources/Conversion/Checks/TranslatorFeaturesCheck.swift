import VMState

/// C45: what TCG offers and KVM's hosts lack.
struct TranslatorFeaturesCheck: SnapshotCheck {
    let id = "C45"
    let title = "Features that KVM's hosts lack"
    let explanation = """
        TCG's model "max" mixes features of Intel and AMD: 3DNow!, SSE4A and SVM next to MPX, PKU and five-level paging. No \
        real CPU has them all. A guest that saw them under TCG, and a program that chose its code by them, gets #UD on the \
        host's CPU. Five-level paging (CR4.LA57) cannot even be entered on most hosts. "qemu64" has nothing for programs that \
        a host lacks; its SVM matters only where the guest has switched it on.
        """

    func run(_ context: CheckContext) -> [Finding] {
        guard context.target.accelerator == .kvm, context.origin == .tcg else { return [] }
        var findings: [Finding] = []
        let deep = context.cpus.filter { $0.cr4 >> 12 & 1 != 0 }
        if !deep.isEmpty {
            findings.append(
                finding(
                    .warning, "The guest has five levels of page tables",
                    evidence: deep.map {
                        Finding.Evidence(section: $0.section.name, field: "env.cr[4]", value: "\(hex($0.cr4)): LA57")
                    },
                    effect: "On a host without LA57, KVM refuses the CPU's state.",
                    remedy:
                        "Go back to a host that has LA57, or boot the guest with '-la57' in '-cpu' and take the snapshot anew."
                ))
        }
        let svm = context.cpus.filter { $0.efer >> 12 & 1 != 0 }
        if !svm.isEmpty {
            findings.append(
                finding(
                    .warning, "The guest has switched SVM on",
                    evidence: svm.map {
                        Finding.Evidence(section: $0.section.name, field: "env.efer", value: "\(hex($0.efer)): SVME")
                    },
                    effect: "On an Intel host, KVM refuses the value of EFER.",
                    remedy: "Unload the guest's kvm_amd module, or boot with '-svm' in '-cpu'."))
        }
        if let launch = context.launch, ResumeCPU(launch.cpu).model == "max" {
            findings.append(
                finding(
                    .warning, "The guest's CPU mixed features of Intel and AMD",
                    evidence: [Finding.Evidence(section: "command line", field: "-cpu", value: launch.cpu)],
                    effect: "Programs that chose code by them get SIGILL on the host's CPU.",
                    remedy: "Prepare guests that shall go back with '-cpu \(context.captureModel.targetArgument)'."))
        }
        return findings
    }
}
