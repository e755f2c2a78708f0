import ArgumentParser
import Lineage
import Workflow

/// `stemma check`
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tell whether a snapshot resumes under the translator, and why not.",
        discussion: """
            Exit code 0: nothing to do. 1: 'stemma convert' repairs what was found. 2: something fatal.

            --trial resumes the snapshot for some seconds instead of only looking at it: as it was saved and, when that does \
            not live, with every fix that is known. It tells what the guest did, which check explains a failure, and \
            whether the checks had predicted it. Nothing is stored. Exit code 0: it lives as it is. 1: with fixes. 2: not \
            even then.
            """)

    @Argument(help: "VM:SNAPSHOT.")
    var snapshot: Reference?
    @Flag(help: "Resume it for some seconds and tell what happens.")
    var trial = false
    @Option(help: "How many seconds --trial watches the guest.")
    var seconds: Int = 10
    @Option(
        help: "What shall resume it: installed-tcg (default), qemu-tcg-7.2, qemu-tcg-10.0, s2e-libcpu, kvm, or a file.")
    var target: String?
    @OptionGroup var policy: PolicyOptions
    @Option(help: "Tell what a check is about, for example C09.")
    var explain: String?
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard (1...3600).contains(seconds) else { throw ValidationError("--seconds takes 1 to 3600.") }
        if trial, target != nil {
            throw ValidationError("--trial resumes with the QEMU of this machine: leave out --target.")
        }
        if snapshot == nil, explain == nil { throw ValidationError("Name a snapshot, or a check with --explain.") }
    }

    func run() async throws {
        if let explain {
            let explanation = try Stemma.explain(check: explain)
            try options.print(explanation, explanation.text)
        }
        guard let snapshot else { return }
        if trial { return try await tryIt(snapshot) }
        let report = try await options.open().check(snapshot, policy: policy.source, target: target)
        if options.json {
            try Terminal.print(json: report)
        } else {
            Terminal.print(report.text)
        }
        if report.exitCode != 0 { throw ExitCode(report.exitCode) }
    }

    private func tryIt(_ snapshot: Reference) async throws {
        let report = try await options.open().tryResume(snapshot, policy: policy.source, watch: .seconds(seconds))
        if options.json { try Terminal.print(json: report) } else { Terminal.print(report.text) }
        if report.exitCode != 0 { throw ExitCode(report.exitCode) }
    }
}
