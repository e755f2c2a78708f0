/// A recipe that cannot be read or built.
package struct RecipeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure this is.
    package enum Code: String, Sendable, Hashable, CaseIterable {
        /// The recipe's file cannot be read, or is not YAML.
        case unreadable
        /// A key is missing, unknown or has a value that is not allowed.
        case invalid
        /// A file that the recipe names is missing.
        case missingSource
        /// apt does not know a package.
        case unknownPackage
        /// A package could not be downloaded, or is not what the package lists say.
        case downloadFailed
        /// A package does not hold what it is used for, or cannot be unpacked.
        case unsuitablePackage
        /// A kernel module, or one that it depends on, is not in the kernel's package.
        case missingModule
        /// The compiler refused a program.
        case compilationFailed
        /// The content does not fit, or cannot be represented.
        case contentRefused
        /// A program of the building machine is missing or failed.
        case toolFailed
        /// The output or the cache cannot be written.
        case cannotWrite
        /// The task was cancelled.
        case cancelled
    }

    /// A line of a recipe.
    package struct Place: Sendable, Hashable, CustomStringConvertible {
        /// The recipe's path, as it was given.
        package var file: String
        /// Counted from 1.
        package var line: Int

        package init(file: String, line: Int) {
            self.file = file
            self.line = line
        }

        package var description: String { "\(file):\(line)" }
    }

    package var code: Code
    /// What happened and what to do.
    package var message: String
    /// Where in the recipe, when it is about one line of it.
    package var place: Place?
    /// What a tool or the system said.
    package var cause: String?

    package init(_ code: Code, _ message: String, at place: Place? = nil, cause: String? = nil) {
        self.code = code
        self.message = message
        self.place = place
        self.cause = cause
    }

    package var description: String {
        let head = place.map { "\($0): " } ?? ""
        let tail = cause.map { "\n" + $0 } ?? ""
        return head + message + tail
    }
}
