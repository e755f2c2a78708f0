import BlockService
import Foundation
import Hypervisor
import Lineage

extension Stemma {
    /// Makes what clients wrote to the disks of a VM its new version, or a new VM. The process that serves it does the work, if there
    /// is one; clients may go on writing.
    package func commitWrites(to vm: Name, message: String, as newVM: Name?) async throws -> CommitReport {
        _ = try catalogue.vm(vm)
        guard let run = try runs.running(name: vm.text) else {
            let written = try WrittenDisks(self, vm: vm, mustExist: true)
            let report = try await written.commit(message: message, as: newVM)
            _ = try await written.close()
            return report
        }
        guard run.purpose == "serve" else {
            throw WorkflowError(
                .busy, "'\(vm)' is running; its head gets a version when the guest has switched itself off.")
        }
        let request = try JSONEncoder().encode(ServeMessage(message: message, newVM: newVM?.text))
        let line = try await RequestServer.ask(
            String(decoding: request, as: UTF8.self), socket: run.paths.requestSocket)
        guard let line, let answer = try? JSONDecoder().decode(ServeMessage.Answer.self, from: Data(line.utf8)) else {
            throw WorkflowError(.busy, "'\(vm)' is not served any more. Try again: what was flushed is kept.")
        }
        if let report = answer.report { return report }
        throw WorkflowError(
            WorkflowError.Code(exitCode: answer.exitCode),
            answer.error ?? "What was written to '\(vm)' could not be stored.")
    }

    /// Throws away what clients wrote to the disks of a VM since its last version.
    package func discardWrites(to vm: Name) throws {
        _ = try catalogue.vm(vm)
        if let run = try runs.running(name: vm.text), run.purpose == "serve" {
            throw WorkflowError(.busy, "'\(vm)' is served by process \(run.ownerProcess). End that first.")
        }
        let directory = home.writes(vm.text)
        guard !WrittenDisks.origins(in: directory).isEmpty else { throw WrittenDisks.nothingWritten(vm) }
        try WrittenDisks.discard(directory)
    }
}
