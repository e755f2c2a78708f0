import ArgumentParser
import Workflow

/// Which policy decides about findings.
struct PolicyOptions: ParsableArguments {
    @Option(
        help: "A policy: severities of findings and allowed fixes. Default: the one that Stemma comes with.",
        completion: .file(extensions: ["yaml", "yml"]))
    var policy: String?

    var source: PolicySource { policy.map { .file($0) } ?? .builtIn }
}
