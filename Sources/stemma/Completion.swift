import ArgumentParser
import Lineage
import Workflow

/// Names that the shell offers, read from the store while the user types.
///
/// A home that is not there or cannot be read offers nothing, and is never made.
enum Completion {
    /// VMs.
    static let vms = kind { $0.vms() }
    /// VMs and snapshots as `VM:SNAPSHOT`.
    static let references = kind { $0.references() }
    /// Experiments.
    static let experiments = kind { $0.experiments() }
    /// What can be exported.
    static let selections = kind { $0.references() + $0.experiments().map { "experiment/\($0)" } }
    /// Tags that are in use.
    static let tags = kind { $0.tags() }

    /// The completion script for bash, with what makes `VM:SNAPSHOT` one word there; nil for anything else.
    static func script(_ message: String) -> String? {
        guard message.hasPrefix("#!/bin/bash\n") else { return nil }
        let rest = message.dropFirst("#!/bin/bash\n".count)
        return "#!/bin/bash\n\n# A snapshot is named as VM:SNAPSHOT.\nCOMP_WORDBREAKS=${COMP_WORDBREAKS//:/}\n" + rest
    }

    private static func kind(_ names: @escaping @Sendable (CompletionNames) -> [String]) -> CompletionKind {
        .custom { words, _, prefix in
            guard let source = CompletionNames(home: Home(root: GlobalOptions.root(home(in: words)))) else { return [] }
            return names(source).filter { $0.hasPrefix(prefix) }
        }
    }

    /// The value of `--home` among the words that were typed.
    private static func home(in words: [String]) -> String? {
        for (word, next) in zip(words, words.dropFirst()) where word == "--home" { return next }
        return words.first { $0.hasPrefix("--home=") }.map { String($0.dropFirst("--home=".count)) }
    }
}
