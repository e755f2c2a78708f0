import ArgumentParser
import Lineage
import Workflow

/// Names on the command line are checked where they are parsed, so that a wrong one is a usage error.
extension Name: ExpressibleByArgument {
    package init?(argument: String) {
        try? self.init(argument)
    }

    /// Most names are those of VMs.
    package static var defaultCompletionKind: CompletionKind { Completion.vms }
}

extension Reference: ExpressibleByArgument {
    package init?(argument: String) {
        try? self.init(parsing: argument)
    }

    package static var defaultCompletionKind: CompletionKind { Completion.references }
}

extension ByteSize: ExpressibleByArgument {
    package init?(argument: String) {
        self.init(parsing: argument)
    }
}

extension Moment: ExpressibleByArgument {
    package init?(argument: String) {
        self.init(parsing: argument)
    }
}

extension Selection: ExpressibleByArgument {
    package init?(argument: String) {
        try? self.init(parsing: argument)
    }
}

extension StorePart: ExpressibleByArgument {
    package init?(argument: String) {
        self.init(parsing: argument)
    }
}
