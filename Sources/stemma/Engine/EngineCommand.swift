import ArgumentParser

/// `stemma engine`
struct EngineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine", abstract: "Look into Stemma's engine.", subcommands: [EngineLockstepCommand.self])
}
