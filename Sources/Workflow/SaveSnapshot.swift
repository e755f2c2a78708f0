import Foundation
import Hypervisor
import Lineage

extension Stemma {
    /// Saves a snapshot of a running VM from another process than the one that runs it, which does the work.
    package func saveSnapshot(_ name: Name, of vm: Name, way: SaveWay = .direct) async throws -> SavedSnapshot {
        try catalogue.requireFree(snapshot: name, of: vm)
        _ = try catalogue.vm(vm)
        guard let run = try runs.running(name: vm.text) else {
            throw HypervisorError(.notRunning, "\(vm) is not running. Start it with 'stemma run'.")
        }
        progress.step("saving \(vm):\(name)")
        let request = try JSONEncoder().encode(RunMessage(save: name.text, way: way))
        let line: String?
        do {
            line = try await RequestServer.ask(
                String(decoding: request, as: UTF8.self), socket: run.paths.requestSocket)
        } catch let error as HypervisorError where [.io(errno: ENOENT), .io(errno: ECONNREFUSED)].contains(error.code) {
            throw HypervisorError(.notRunning, "\(vm) is just starting, or ending. Try again in a moment.")
        }
        guard let line, let answer = try? JSONDecoder().decode(RunMessage.Answer.self, from: Data(line.utf8)) else {
            throw WorkflowError(
                .busy,
                "The run of '\(vm)' ended before it stored '\(name)'. If 'stemma snapshot list \(vm)' does not "
                    + "show it, save it again.")
        }
        if let saved = answer.saved { return saved }
        throw WorkflowError(
            WorkflowError.Code(exitCode: answer.exitCode),
            answer.error ?? "The run of '\(vm)' could not save '\(name)'.")
    }
}
