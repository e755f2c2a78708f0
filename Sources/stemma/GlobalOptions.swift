import ArgumentParser
import Foundation
import Workflow

/// Options that every verb has.
struct GlobalOptions: ParsableArguments {
    @Option(
        name: .long, help: "Where Stemma keeps everything. Default: $STEMMA_HOME, else ~/.local/share/stemma.",
        completion: .directory)
    var home: String?

    @Flag(name: .long, help: "Print JSON instead of text.")
    var json = false

    @Flag(name: .long, help: "Do not tell what is being done.")
    var quiet = false

    @Flag(name: .long, help: "Open the store for reading only: not a byte of it changes.")
    var readOnly = false

    /// Opens the user's home.
    func open() throws -> Stemma {
        // Another QEMU than the installed one, for streams of other versions.
        let qemu = ProcessInfo.processInfo.environment["STEMMA_QEMU"].flatMap { $0.isEmpty ? nil : Self.absolute($0) }
        return try Stemma(
            home: Home(root: Self.root(home)), isReadOnly: readOnly, qemuDirectory: qemu, progress: progress)
    }

    /// Tells steps on standard error, so that standard output holds results only.
    var progress: ProgressLog {
        quiet ? .silent : ProgressLog({ Terminal.step($0) }, amount: { Terminal.amount($0, $1) })
    }

    /// Prints a result: as JSON when that was asked for.
    func print(_ value: some Encodable, _ text: @autoclosure () -> String) throws {
        if json { try Terminal.print(json: value) } else { Terminal.print(text()) }
    }

    /// Tells what was done: in words on standard error, as JSON on standard output when that was asked for.
    func report(_ value: some Encodable, _ words: @autoclosure () -> String) throws {
        if json { try Terminal.print(json: value) } else { progress.step(words()) }
    }

    /// The directory of a home, from an option and the environment.
    static func root(_ home: String?) -> String {
        let environment = ProcessInfo.processInfo.environment
        if let home { return absolute(home) }
        if let home = environment["STEMMA_HOME"], !home.isEmpty { return absolute(home) }
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return data + "/stemma" }
        return NSHomeDirectory() + "/.local/share/stemma"
    }

    private static func absolute(_ path: String) -> String {
        URL(fileURLWithPath: path).standardizedFileURL.path
    }
}
