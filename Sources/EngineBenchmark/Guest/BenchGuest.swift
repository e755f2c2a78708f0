import Benchmarking
import Foundation
import ImageRecipe
import Workflow

/// The guest of the recipe as a VM in a home of its own, with a snapshot at the shell's prompt; and its programs as files.
struct BenchGuest: Sendable {
    /// The home's directory, below the scratch directory.
    static let home = "home"
    static let vm = "Guest"
    static let snapshot = vm + ":prompt"
    /// The end of the shell's prompt.
    static let prompt = "# "

    /// Paths of the programs on this machine, by name; with `busybox`.
    let programs: [String: String]
    /// A file with the text that the guest has at ``Workload/textFile``.
    let text: String
    /// The home's path.
    private let root: String

    init(_ bench: EngineBench) throws {
        let recipe = try Recipe(contentsOf: bench.request.recipe)
        bench.progress.step("building the guest")
        let home = bench.path(Self.home)
        try bench.run(bench.stemma(["image", "build", bench.request.recipe, "--name", Self.vm], home: home))
        bench.progress.step("booting the guest under QEMU's translator")
        try bench.run(
            bench.stemma(
                ["run", Self.vm, "prep", "--headless", "--until", Self.prompt, "--save", "prompt"], home: home))
        root = home
        let directory = try bench.directory("programs")
        var programs = try Self.compile(recipe, into: directory)
        guard let text = programs["text"] else {
            throw WorkflowError(.malformed, "The recipe \(recipe.file) has no program 'text'.")
        }
        let file = directory + "/text.txt"
        try Data(bench.run(Program(path: text, arguments: [])).output.utf8).write(to: URL(fileURLWithPath: file))
        self.text = file
        programs["busybox"] = Requirement("busybox", package: "busybox-static").find()
        self.programs = programs
    }

    /// The guest's home, opened.
    func open() throws -> Stemma { try Stemma(home: Home(root: root)) }

    /// The recipe's programs, compiled as for the guest; their paths by name.
    static func compile(_ recipe: Recipe, into directory: String) throws -> [String: String] {
        var tree = FileTree()
        let builder = ProgramBuilder(
            directory: URL(fileURLWithPath: recipe.file).deletingLastPathComponent().path, scratch: directory)
        var programs: [String: String] = [:]
        for program in recipe.direct?.initramfs.content.programs ?? [] {
            try builder.add(program, to: &tree)
            guard case .file(_, .file(let path)) = tree.entries[program.path] else { continue }
            programs[URL(fileURLWithPath: program.path).lastPathComponent] = path
        }
        return programs
    }
}
