import ArgumentParser
import Workflow

/// What the verbs that clear away leave.
struct CollectionOptions: ParsableArguments {
    @Option(help: "Keep what this many operations at the end of the log need, for undo. Default: 100.")
    var keepOperations: Int?
    @Option(help: "Leave at most this part of the packs, in per cent, without use. Default: 5.")
    var maxUnused: Double?

    func validate() throws {
        if let keepOperations, keepOperations < 0 { throw ValidationError("--keep-operations is a number from 0.") }
        if let maxUnused, !(0...100).contains(maxUnused) { throw ValidationError("--max-unused is 0 to 100.") }
    }

    var request: CollectRequest {
        var request = CollectRequest()
        request.keepOperations = keepOperations
        request.maximumUnusedPercent = maxUnused
        return request
    }
}
