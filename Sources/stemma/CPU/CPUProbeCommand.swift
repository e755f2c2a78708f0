import ArgumentParser
import Workflow

/// `stemma cpu probe`
struct CPUProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Run the probe guest on a CPU of QEMU, and print everything that it was told.",
        discussion: """
            The guest asks CPUID for all leaves and subleaves, and reads the feature MSRs. The output is a fingerprint in \
            JSON, which 'stemma cpu show', 'diff' and 'baseline' take as a file, here or on another machine.
            """)

    @Argument(help: "tcg:MODEL or kvm:MODEL; MODEL as for QEMU's -cpu, for example 'max' or 'Haswell,-pcid'.")
    var cpu: CPUOperand
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard case .model = cpu else {
            throw ValidationError(
                "The probe guest runs on 'tcg:MODEL' or 'kvm:MODEL'; 'stemma cpu show' takes the rest.")
        }
    }

    func run() async throws {
        Terminal.print(try await options.open().cpu(cpu).fingerprint.json)
    }
}
