import ArgumentParser

/// `stemma image`
struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Build guests from recipes.", subcommands: [ImageBuildCommand.self])
}
