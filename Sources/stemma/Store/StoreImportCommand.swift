import ArgumentParser
import Lineage
import Workflow

/// `stemma store import`
struct StoreImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take in what 'stemma store export' wrote.",
        discussion: """
            Every object is checked against its digest before anything becomes visible. A VM that is here already moves on \
            when what comes descends from it; a name that means something else here is in the way, and then nothing is \
            taken in: choose other names with --as, --rename or --prefix. 'stemma undo' drops what came.
            """)

    @Argument(help: "The file, or - for standard input.", completion: .file())
    var file: String
    @Option(name: .customLong("as"), help: "The name of the VM here, when the file has one VM.", completion: .list([]))
    var name: Name?
    @Option(help: "Another name for a VM or an experiment, as OLD=NEW; may be repeated.", completion: .list([]))
    var rename: [Renaming] = []
    @Option(help: "Put this in front of the names of VMs and experiments.", completion: .list([]))
    var prefix: Name?
    @OptionGroup var options: GlobalOptions

    /// `OLD=NEW`
    struct Renaming: ExpressibleByArgument {
        let old: Name
        let new: Name

        init?(argument: String) {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let old = Name(argument: String(parts[0])),
                let new = Name(argument: String(parts[1]))
            else { return nil }
            self.old = old
            self.new = new
        }
    }

    func validate() throws {
        if name != nil, !rename.isEmpty || prefix != nil {
            throw ValidationError("--as says it all: leave out --rename and --prefix.")
        }
    }

    func run() async throws {
        var rules = ArrivalRules()
        rules.prefix = prefix?.text ?? ""
        rules.renames = Dictionary(rename.map { ($0.old, $0.new) }, uniquingKeysWith: { $1 })
        rules.onlyVM = name
        let stemma = try options.open()
        let report = try await Interrupt.endsTheProcess {
            try stemma.importBundle(file == "-" ? nil : file, rules: rules)
        }
        try options.print(report, report.text)
    }
}
