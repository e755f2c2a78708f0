import ArgumentParser
import Lineage
import Workflow

/// `stemma image build`
struct ImageBuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Build a guest from a recipe: a VM, or files. Needs neither root nor KVM.")

    @Argument(help: "The recipe, a YAML file.", completion: .file(extensions: ["yaml", "yml"]))
    var recipe: String
    @Option(help: "Make a VM of this name.")
    var name: Name?
    @Option(help: "Write kernel, initramfs, disks and image.json into this new directory.", completion: .directory)
    var output: String?
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard (name == nil) != (output == nil) else {
            throw ValidationError("Give either --name, for a VM, or --output, for files.")
        }
    }

    func run() async throws {
        let stemma = try options.open()
        if let output { return try await stemma.buildFiles(recipe: recipe, directory: output) }
        guard let name else { return }
        let image = try await stemma.buildImage(recipe: recipe, name: name)
        if options.json { return try Terminal.print(json: image) }
        options.progress.step("\(name) is ready: \(image.summary)")
    }
}
