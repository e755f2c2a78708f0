import ArgumentParser
import Workflow

/// Which policy decides about findings, and for which target.
struct PolicyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Severities of findings and allowed fixes: default, strict, permissive, linux-repairs, s2e, research-intel, or a file.",
            valueName: "name|file"), completion: .file(extensions: ["yaml", "yml"]))
    var policy: String?

    var source: PolicySource { policy.map { PolicySource($0) } ?? .standard }
}
