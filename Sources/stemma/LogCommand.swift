import ArgumentParser
import Lineage
import Workflow

/// `stemma log`
struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Show how VMs, snapshots and experiments came from each other.",
        discussion: """
            Filters add up: what is shown fulfils all of them. In a drawing, what is left hangs below its nearest \
            ancestors that are left. Times are dates (2031-05-09), local times ("2031-05-09 14:00"), ISO 8601 with a zone, \
            or how long ago (30m, 12h, 7d, 2w).
            """)

    @Argument(help: "The family of this VM; all VMs when left out.")
    var vm: Name?
    @Flag(help: "Draw the tree.")
    var graph = false
    @Option(
        help:
            "Only steps of these kinds, separated by commas: \(EdgeKind.shown.map(\.rawValue).joined(separator: ", ")).",
        completion: .list(EdgeKind.shown.map(\.rawValue)))
    var kind: [Kinds] = []
    @Option(help: "Only what has this tag; may be repeated.", completion: Completion.tags)
    var tag: [Name] = []
    @Option(help: "Only what has this text in its message, note, name or outcome.")
    var text: String?
    @Option(help: "Only what ran under this: kvm or tcg.", completion: .list(["kvm", "tcg"]))
    var accelerator: Accelerator?
    @Option(help: "Only what was made at this time or later.")
    var since: Moment?
    @Option(help: "Only what was made before this time.")
    var until: Moment?
    @Option(name: [.customShort("n"), .long], help: "Only the newest so many.")
    var limit: Int?
    @Flag(help: "The oldest first.")
    var reverse = false
    @Flag(help: "Show the operation log instead: what changed names, and when. Takes only --limit.")
    var operations = false
    @OptionGroup var options: GlobalOptions

    /// What may run a guest.
    enum Accelerator: String, ExpressibleByArgument, CaseIterable { case kvm, tcg }

    /// Kinds of step as a user lists them.
    struct Kinds: ExpressibleByArgument {
        let kinds: [EdgeKind]

        init?(argument: String) {
            let kinds = argument.split(separator: ",").map { EdgeKind(rawValue: String($0)) }
            guard !kinds.isEmpty, kinds.allSatisfy({ $0.map(EdgeKind.shown.contains) == true }) else { return nil }
            self.kinds = kinds.compactMap { $0 }
        }
    }

    func validate() throws {
        if graph, reverse { throw ValidationError("A drawing has its parents above: --reverse means nothing for it.") }
        if let limit, limit < 0 { throw ValidationError("--limit is a number from 0.") }
        if operations, graph || reverse || vm != nil || !filter.isEmpty {
            throw ValidationError("--operations shows the whole log; of the other options it takes --limit and --json.")
        }
    }

    func run() async throws {
        let stemma = try options.open()
        if operations { return try OperationListCommand.show(stemma, limit: limit, options) }
        var request = LogRequest(vm: vm)
        request.filter = filter
        request.limit = limit
        request.isReversed = reverse
        let log = try stemma.log(request)
        try options.print(log.entries, log.text(asGraph: graph))
    }

    private var filter: LogFilter {
        var filter = LogFilter()
        filter.kinds = Set(kind.flatMap(\.kinds))
        filter.tags = tag
        filter.text = text
        filter.accelerator = accelerator?.rawValue
        filter.since = since?.time
        filter.until = until?.time
        return filter
    }
}
