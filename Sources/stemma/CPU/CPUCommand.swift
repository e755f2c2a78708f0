import ArgumentParser
import Workflow

/// `stemma cpu`
struct CPUCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cpu", abstract: "What CPUs offer, what a guest loses between them, and what all of them have.",
        discussion: """
            A CPU is named as

            VM:SNAPSHOT       what the guest of a snapshot saw: recorded, or else inferred
            VM                that of a running VM, or of its configuration
            tcg:MODEL         what the installed QEMU gives to a guest, asked by a guest; MODEL as for QEMU's -cpu
            kvm:MODEL         the same under KVM
            host              this machine, as its /proc/cpuinfo shows it
            FILE              /proc/cpuinfo, 'cpuid -r', libvirt's XML of a domain or of capabilities, QEMU's answers \
            to query-cpu-model-expansion and query-cpu-definitions (FILE#MODEL), 'stemma cpu probe --json', or a target
            \(TargetNames.all.joined(separator: ", "))
            """,
        subcommands: [
            CPUShowCommand.self, CPUProbeCommand.self, CPUDiffCommand.self, CPUBaselineCommand.self,
            CPUExplainCommand.self,
        ])
}

extension CPUOperand: ExpressibleByArgument {
    package init?(argument: String) { try? self.init(parsing: argument) }

    package static var defaultCompletionKind: CompletionKind { Completion.references }
}
