import Foundation
import Hypervisor
import Lineage

/// What another process asks of the one that runs a VM, as a line of JSON on the run's request socket.
struct RunMessage: Codable, Sendable {
    /// Save a snapshot of this name.
    var save: String
    var way: SaveWay

    /// The answer.
    struct Answer: Codable, Sendable {
        var saved: SavedSnapshot?
        /// Why it could not be saved, for the user, and the exit code that belongs to it.
        var error: String?
        var exitCode: Int32?
    }
}

extension RunSaver {
    /// Answers a request.
    func answer(_ line: String) async -> String {
        var answer = RunMessage.Answer()
        do {
            let message = try JSONDecoder().decode(RunMessage.self, from: Data(line.utf8))
            answer.saved = try await save(Name(message.save, role: "snapshot"), way: message.way)
        } catch {
            let failure = Failure(error)
            answer.error = failure?.message ?? "\(error)"
            answer.exitCode = failure?.exitCode ?? 70
        }
        guard let data = try? JSONEncoder().encode(answer) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }
}
