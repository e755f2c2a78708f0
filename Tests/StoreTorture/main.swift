// Works on a store until it is killed, and says on standard output what it has committed. See `Torturer`.
//
//     store-torture STORE ROLE SEED [STEPS]
//
// Started by `DurabilityTests`; ends with 0 after STEPS steps, or with 2 and a line `failed …` when the store does anything wrong.

import ContentStore
import Glibc

let arguments = CommandLine.arguments
guard arguments.count >= 4, let role = Torturer.Role(rawValue: arguments[2]), let seed = UInt64(arguments[3]) else {
    say(
        "failed usage: store-torture STORE \(Torturer.Role.allCases.map(\.rawValue).joined(separator: "|")) SEED [STEPS]"
    )
    exit(64)
}
do {
    var torturer = Torturer(try ContentStore.open(at: arguments[1], createIfMissing: true), role, seed)
    let steps = arguments.count > 4 ? Int(arguments[4]) ?? .max : .max
    say("ready")
    for _ in 0..<steps { try torturer.step() }
} catch {
    say("failed \(role.rawValue) \(seed): \(error)")
    exit(2)
}

/// Writes a line at once, whole: what was said before a kill counts.
func say(_ line: String) {
    var bytes = Array((line + "\n").utf8)
    while !bytes.isEmpty {
        let count = write(STDOUT_FILENO, bytes, bytes.count)
        if count <= 0 { exit(3) }
        bytes.removeFirst(count)
    }
}
