import ArgumentParser
import Workflow

/// `stemma store verify`
struct StoreVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Find out whether everything that is named can be read, and repair it.",
        discussion: """
            Exit code 1 when something is damaged, and stays so. A repair moves damaged packs into 'quarantine' in the \
            store, keeps what is sound of them, and fills in what was lost: from another store or home, a bundle, a disk \
            image (any format), or ram:FILE. Only what has the right digest is taken from there, so nothing wrong gets in.
            """)

    @Flag(help: "Read every pack and check its checksums too.")
    var checksums = false
    @Flag(help: "Check every object against its digest too. Takes the longest.")
    var deep = false
    @Option(help: "Read only this part of the packs, as N/M: the N-th of M. All parts together are the whole.")
    var subset: StorePart?
    @Flag(help: "Move damaged packs out of the way and keep what is sound of them.")
    var repair = false
    @Option(help: "Repair with what this has: a store, a bundle, an image; may be repeated.", completion: .file())
    var repairFrom: [String] = []
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        var request = VerifyRequest()
        request.level = deep ? .deep : checksums ? .checksums : .structure
        request.part = subset
        request.repairs = repair
        request.sources = repairFrom
        let stemma = try options.open()
        let outcome = try await Interrupt.endsTheProcess { [request] in try stemma.verifyStore(request) }
        try options.print(outcome, outcome.text)
        if !outcome.isSound { throw ExitCode(1) }
    }
}
