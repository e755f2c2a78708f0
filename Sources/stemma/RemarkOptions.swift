import ArgumentParser
import Lineage
import Workflow

/// What a user says about something new.
struct RemarkOptions: ParsableArguments {
    @Option(name: .long, help: "A sentence about it, which 'stemma log' shows.")
    var message: String?
    @Option(help: "A tag to find it by; may be repeated.", completion: Completion.tags)
    var tag: [Name] = []

    var remarks: Remarks { Remarks(message: message, tags: tag) }
}
