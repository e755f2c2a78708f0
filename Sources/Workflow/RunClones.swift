import Foundation
import Hypervisor
import Lineage

/// What became of several guests that were resumed from one snapshot.
package struct CloneReport: Sendable, Encodable {
    package struct Guest: Sendable, Encodable {
        /// From 1.
        package let number: Int
        /// Seconds until it ran.
        package var startSeconds = 0.0
        /// What its QEMU used at the end.
        package var memory: MemoryUse?
        package var snapshots: [Reference] = []
        /// The last part of its serial console.
        package var console = ""
        /// Why it failed.
        package var error: String?
    }

    package var guests: [Guest] = []
    /// Seconds to put main memory into the file that the guests share; 0 when each got its own.
    package var fillSeconds = 0.0
    /// Bytes of that file that are in memory, once.
    package var sharedFileBytes: UInt64 = 0

    package var failures: Int { guests.count { $0.error != nil } }

    /// A line for each guest, and one for the memory that they share.
    package var text: String {
        func mebibytes(_ bytes: UInt64) -> String { String(format: "%.1f MiB", Double(bytes) / 1_048_576) }
        var lines = guests.map { guest in
            if let error = guest.error { return "#\(guest.number)  failed: \(error)" }
            var line = "#\(guest.number)  ran after \(String(format: "%.3f", guest.startSeconds)) s"
            if let memory = guest.memory {
                line += ", memory: \(mebibytes(memory.unshared)) its own, \(mebibytes(memory.shared)) shared"
            }
            if !guest.snapshots.isEmpty {
                line += ", stored " + guest.snapshots.map(\.description).joined(separator: ", ")
            }
            return line
        }
        if sharedFileBytes > 0 {
            lines.append(
                "main memory of all: \(mebibytes(sharedFileBytes)), filled in \(String(format: "%.3f", fillSeconds)) s")
        }
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// Resumes a snapshot several times at once. The guests share the pages of main memory that none of them has
    /// written; everything else is each one's own: overlay, sockets, console, run directory.
    ///
    /// Ends when all have ended. One that fails does not end the others.
    package func runClones(_ request: RunRequest, count: Int) async throws -> CloneReport {
        var request = request
        request.isHeadless = true
        request.isMeasured = true
        try request.validate()
        guard let snapshot = request.reference.snapshot else {
            throw WorkflowError(
                .usage,
                "--count resumes a snapshot several times: name one as '\(request.reference.vm):SNAPSHOT'.")
        }
        guard (1...1000).contains(count) else {
            throw WorkflowError(.usage, "--count takes 1 to 1000 guests, not \(count).")
        }
        let origin = try catalogue.resolve(request.reference)
        var names: [Name?] = []
        for number in 1...count {
            let name = try request.save.map { try Name("\($0)-\(number)", role: "snapshot") }
            if let name { try catalogue.requireFree(snapshot: name, of: request.reference.vm) }
            names.append(name)
        }
        let installation = try installation()
        let configuration = try await configuration(for: request, from: origin, installation: installation)
        try configuration.validate()
        if request.mode == .kvm { try await requireKVM(installation) }

        let settled = request
        let saved = names
        return try await Interruption.cancelling {
            // The pages go into the file before any run holds a lease of its own.
            let lease = try store.lease(label: "clones of \(settled.reference)", pins: [origin.digest])
            defer { withExtendedLifetime(lease) {} }
            var report = CloneReport()
            let (memory, seconds) = try await RunMemory.prepareForClones(
                settled, origin: origin, configuration: configuration, stemma: self)
            report.fillSeconds = seconds
            report.sharedFileBytes = try memory.options.file?.allocatedBytes() ?? 0
            report.guests = try await withThrowingTaskGroup(of: CloneReport.Guest.self) { group in
                for (index, name) in saved.enumerated() {
                    group.addTask {
                        try await clone(
                            index + 1, saving: name, settled, origin, configuration, installation, memory, snapshot)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.number < $1.number }
            }
            return report
        }
    }

    private func clone(
        _ number: Int, saving name: Name?, _ request: RunRequest, _ origin: NamedCommit,
        _ configuration: MachineConfiguration, _ installation: QEMUInstallation, _ memory: RunMemory, _ snapshot: Name
    ) async throws -> CloneReport.Guest {
        var guest = CloneReport.Guest(number: number)
        var request = request
        request.save = name
        let title = "\(request.reference)#\(number)"
        do {
            let run = try RunDirectory.create(
                under: home.runs, name: "\(request.reference.vm)#\(number)", purpose: request.mode.rawValue,
                exclusive: false)
            let outcome = try await RunSession(
                stemma: self, request: request, origin: origin, configuration: configuration, run: run,
                installation: installation, memory: memory, title: title
            ).execute()
            guest.startSeconds = outcome.startSeconds
            guest.memory = outcome.memory
            guest.snapshots = outcome.snapshots
            guest.console = outcome.console
        } catch {
            // All end together when the user ends them.
            try Task.checkCancellation()
            guest.error = Failure(error)?.message ?? "\(error)"
            progress.step("\(title): \(guest.error ?? "")")
        }
        return guest
    }
}
