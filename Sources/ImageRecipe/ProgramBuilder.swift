import Foundation

/// Compiles programs for the guest and finds the shared libraries that they need.
package struct ProgramBuilder: Sendable {
    /// The directory that sources are relative to.
    let directory: String
    let scratch: String
    let progress: @Sendable (String) -> Void

    package init(directory: String, scratch: String, progress: @escaping @Sendable (String) -> Void = { _ in }) {
        self.directory = directory
        self.scratch = scratch
        self.progress = progress
    }

    /// Puts a program and its shared libraries into a tree.
    package func add(_ program: Recipe.Program, to tree: inout FileTree) throws(RecipeError) {
        let file: String
        switch program.origin {
        case .compiled(let source, let flags): file = try compile(source, flags, at: program.place)
        case .host(let path):
            guard FileManager.default.isExecutableFile(atPath: path) else {
                throw RecipeError(
                    .missingSource, "There is no program '\(path)' on this machine; install the package that has it.",
                    at: program.place)
            }
            file = path
        }
        try tree.insert(.file(mode: 0o755, .file(file)), at: program.path)
        for library in try sharedLibraries(of: file, at: program.place) {
            try tree.insert(.file(mode: 0o755, .file(library)), at: library)
        }
    }

    /// The first line of the compiler's `--version`.
    func compilerVersion() throws(RecipeError) -> String {
        let output = try Tool.gcc.require(["--version"], scratch: scratch, "gcc does not run.")
        return output.split(separator: "\n").first.map(String.init) ?? ""
    }

    private func compile(_ source: String, _ flags: [String], at place: RecipeError.Place) throws(RecipeError) -> String
    {
        let path = source.hasPrefix("/") ? source : directory + "/" + source
        guard FileManager.default.isReadableFile(atPath: path) else {
            throw RecipeError(
                .missingSource, "The C file '\(path)' cannot be read; 'source' is relative to the recipe.", at: place)
        }
        progress("compiling \(source)")
        let output = scratch + "/program-\(UUID().uuidString)"
        // Run in the recipe's directory with the path as it is written, so that no path of this machine gets into the
        // program (by __FILE__ and the like) and the result does not depend on it.
        try Tool.gcc.require(
            flags + ["-o", output, source], in: directory, scratch: scratch, code: .compilationFailed,
            "gcc refuses '\(source)' with the flags '\(flags.joined(separator: " "))'.", at: place)
        return output
    }

    /// The absolute paths of the libraries that the dynamic loader would map; empty for a static program.
    private func sharedLibraries(of file: String, at place: RecipeError.Place) throws(RecipeError) -> [String] {
        let result = try Tool.ldd.run([file], scratch: scratch)
        if result.status != 0, (result.output + result.errors).contains("not a dynamic executable") { return [] }
        guard result.status == 0 else {
            throw RecipeError(
                .toolFailed, "The shared libraries of '\(file)' cannot be found.", at: place,
                cause: result.explanation(of: .ldd))
        }
        return try Self.libraries(lddOutput: result.output, program: file, at: place)
    }

    /// Reads the lines of `ldd`: `name => path (address)`, `path (address)`, `name => not found`, or one that has no
    /// file (the vDSO, `statically linked`).
    package static func libraries(
        lddOutput: String, program: String, at place: RecipeError.Place
    ) throws(RecipeError) -> [String] {
        var paths: [String] = []
        for line in lddOutput.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            if line.hasSuffix("not found") {
                throw RecipeError(
                    .missingSource,
                    "'\(program)' needs the library '\(words.first ?? "?")', which is not installed.", at: place)
            }
            if let path = words.first(where: { $0.hasPrefix("/") }), FileTree.isValid(path) { paths.append(path) }
        }
        return paths
    }
}
