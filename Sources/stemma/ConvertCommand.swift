import ArgumentParser
import Lineage
import Workflow

/// `stemma convert`
struct ConvertCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Make a snapshot that the translator resumes from one taken under KVM, or back.",
        discussion: "The old snapshot stays as it is, and is the parent of the new one.")

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference
    @Option(name: .customLong("as"), help: "The name of the converted snapshot.", completion: .list([]))
    var name: Name?
    @Option(
        name: .customLong("to"),
        help: "What shall resume it: installed-tcg (default), qemu-tcg-7.2, qemu-tcg-10.0, s2e-libcpu, kvm, or a file.")
    var target: String?
    @Flag(help: "Tell every change, and write nothing.")
    var plan = false
    @OptionGroup var policy: PolicyOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if name == nil, !plan { throw ValidationError("Give the converted snapshot a name with --as, or use --plan.") }
    }

    func run() async throws {
        let stemma = try options.open()
        let report: ConvertReport
        if let name, !plan {
            report = try await stemma.convert(snapshot, as: name, policy: policy.source, target: target)
        } else {
            report = try await stemma.planConversion(snapshot, policy: policy.source, target: target)
        }
        try options.print(report, report.text)
    }
}
