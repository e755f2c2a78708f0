import BlockService
import ContentStore
import Foundation
import Hypervisor
import Lineage

extension Stemma {
    /// Serves the disks of a VM or snapshot over NBD until the user ends it.
    ///
    /// - Parameter ready: told the addresses once clients may connect.
    /// - Returns: bytes that were written and are no version of the VM yet.
    @discardableResult
    package func serve(_ request: ServeRequest, ready: @escaping @Sendable ([ServedDisk]) -> Void) async throws
        -> UInt64
    {
        if request.isWritable, request.reference.snapshot != nil {
            throw WorkflowError(
                .usage, "A snapshot never changes. Serve it without --writable, or clone the VM and serve the clone.")
        }
        let (origin, lease) = try pinned(request.reference, label: "serve \(request.reference)")
        defer { withExtendedLifetime(lease) {} }
        let disks = try chosenDisks(request, of: origin.commit)
        if request.isWritable, try runs.running(name: request.reference.vm.text) != nil {
            throw WorkflowError(
                .busy,
                "'\(request.reference.vm)' is running or served: two writers would get in each other's way. End that first."
            )
        }
        // A VM that is only read may run at the same time.
        let name = request.reference.vm.text + (request.isWritable ? "" : " (read-only)")
        let run = try RunDirectory.create(
            under: home.runs, name: name, purpose: "serve", exclusive: request.isWritable)
        defer { try? run.remove() }
        let written = request.isWritable ? try WrittenDisks(self, vm: request.reference.vm) : nil
        // A signal is how it ends.
        return try await Interruption.outcome {
            try await self.serve(request, origin, disks, written, run, ready)
        }.result.get()
    }

    private func serve(
        _ request: ServeRequest, _ origin: NamedCommit, _ disks: [String], _ written: WrittenDisks?,
        _ run: RunDirectory,
        _ ready: @Sendable ([ServedDisk]) -> Void
    ) async throws -> UInt64 {
        let exports = disks.compactMap { id -> NBDExport? in
            let description = "\(request.reference) \(id)"
            if let source = written?.sources[id] {
                return NBDExport(name: id, description: description, writable: source)
            }
            guard written == nil, let root = origin.commit.disks[id] else { return nil }
            return NBDExport(
                name: id, description: description,
                source: CachedSource(StoreBlockSource(store: store, tree: root)))
        }
        let progress = progress
        let server = try await NBDServer.start(exports: exports, socketPath: run.paths.exportSocket) { failure in
            progress.step("a client could not use \(failure.export) at \(failure.offset): \(failure.error)")
        }
        var requests: RequestServer?
        if let written {
            requests = try await RequestServer.start(socket: run.paths.requestSocket) { line in
                await Self.answer(line, written)
            }
        }
        do {
            ready(
                try exports.map {
                    ServedDisk(
                        disk: $0.name, uri: try server.uri(forExport: $0.name), size: $0.source.size,
                        isWritable: request.isWritable)
                })
            try await Task.sleep(for: .seconds(Int64.max / 4))
        } catch is CancellationError {
            // The user ended it.
        }
        await requests?.stop()
        await server.stop()
        return try await written?.close() ?? 0
    }

    private func chosenDisks(_ request: ServeRequest, of commit: Commit) throws -> [String] {
        let all = commit.disks.keys.sorted()
        for disk in request.disks where !all.contains(disk) {
            throw WorkflowError(
                .missing, "'\(request.reference)' has no disk '\(disk)'; it has \(all.joined(separator: ", ")).")
        }
        guard !all.isEmpty else { throw WorkflowError(.missing, "'\(request.reference)' has no disk to serve.") }
        return request.disks.isEmpty ? all : request.disks
    }

    private static func answer(_ line: String, _ written: WrittenDisks) async -> String {
        var answer = ServeMessage.Answer()
        do {
            let message = try JSONDecoder().decode(ServeMessage.self, from: Data(line.utf8))
            answer.report = try await written.commit(
                message: message.message, as: message.newVM.map { try Name($0, role: "VM") })
        } catch {
            let failure = Failure(error)
            answer.error = failure?.message ?? "\(error)"
            answer.exitCode = failure?.exitCode ?? 70
        }
        guard let data = try? JSONEncoder().encode(answer) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }
}
