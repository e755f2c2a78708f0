import ArgumentParser
import Lineage
import Workflow

/// Names on the command line are checked where they are parsed, so that a wrong one is a usage error.
extension Name: ExpressibleByArgument {
    package init?(argument: String) {
        try? self.init(argument)
    }
}

extension Reference: ExpressibleByArgument {
    package init?(argument: String) {
        try? self.init(parsing: argument)
    }
}
