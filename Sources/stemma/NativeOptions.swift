import ArgumentParser
import Lineage
import Workflow

/// How a `native` run goes on.
struct NativeOptions: ParsableArguments {
    @Option(name: .customLong("for"), help: "Headless: end after so many seconds of the guest's time.")
    var virtualSeconds: Double?
    @Option(help: "Headless: type this into the serial console; \\n is the Enter key.")
    var input: String?
    @Option(help: "Nanoseconds of the guest's time that a CPU runs before the next one does. Default: 20000.")
    var quantum: UInt64?
    @Option(help: "Start of the random numbers that the guest draws.")
    var seed: UInt64?
    @Flag(help: "Interpret every instruction, instead of translating to machine code.")
    var interpreter = false

    /// True when the user gave one of them.
    var isUsed: Bool { virtualSeconds != nil || input != nil || quantum != nil || seed != nil || interpreter }

    func request(_ snapshot: Reference) -> NativeRunRequest {
        var request = NativeRunRequest(snapshot)
        request.virtualSeconds = virtualSeconds
        // The Enter key sends a carriage return.
        request.input = Array((input ?? "").replacing("\\n", with: "\r").utf8)
        request.quantum = quantum
        request.seed = seed
        request.usesInterpreter = interpreter
        return request
    }
}
