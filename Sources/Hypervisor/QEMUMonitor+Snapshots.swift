extension QEMUMonitor {
    /// Saves the whole machine into the overlays: machine state into the node `vmstate`, disk states into the disks.
    ///
    /// A running guest is stopped while QEMU writes and runs on afterwards; a paused one stays paused. The snapshot
    /// is on disk when this returns.
    ///
    /// - Throws: ``HypervisorError`` with `.snapshotFailed` and QEMU's text, for example when the name exists.
    @discardableResult
    package func saveSnapshot(_ name: String) async throws -> InternalSnapshot {
        try await saveSnapshotJob(name)
        guard let saved = try await snapshots().first(where: { $0.name == name }) else {
            throw HypervisorError(
                .snapshotFailed, "QEMU reported that the snapshot '\(name)' is saved, but does not list it.")
        }
        return saved
    }

    /// Saves and does not look at the result.
    func saveSnapshotJob(_ name: String) async throws {
        try await runJob(
            "snapshot-save", failure: "QEMU could not save the snapshot '\(name)'.",
            arguments: [
                "tag": .string(name), "vmstate": .string(MachineConfiguration.machineStateNode),
                "devices": .array(configuration.snapshotNodes.map { .string($0) }),
            ])
    }

    /// Removes an internal snapshot from the overlays.
    package func deleteSnapshot(_ name: String) async throws {
        try await runJob(
            "snapshot-delete", failure: "QEMU could not delete the snapshot '\(name)'.",
            arguments: [
                "tag": .string(name), "devices": .array(configuration.snapshotNodes.map { .string($0) }),
            ])
    }

    /// The internal snapshots of the machine's nodes, oldest first.
    package func snapshots() async throws -> [InternalSnapshot] {
        let nodes = try await client.execute(
            "query-named-block-nodes", arguments: ["flat": true], returning: [BlockNode].self)
        let relevant = Set(configuration.snapshotNodes)
        return InternalSnapshot.merge(
            nodes.filter { relevant.contains($0.name) }.map { ($0.name, $0.image.snapshots ?? []) })
    }

    /// Runs a job to its end and dismisses it.
    private func runJob(_ command: String, failure: String, arguments: JSONValue) async throws {
        let id = "stemma-\(UInt32.random(in: 0...UInt32.max))"
        guard case .object(var members) = arguments else { return }
        members["job-id"] = .string(id)
        let events = client.events()
        _ = try await client.execute(command, arguments: .object(members), returning: JSONValue.self)
        // The job's events say when to look; the answer of query-jobs is what counts.
        var job = try await self.job(id)
        if job.status != "concluded" {
            for await event in events {
                guard case .jobStatusChange(id, "concluded") = event.kind else { continue }
                break
            }
            try Task.checkCancellation()
            job = try await self.job(id)
        }
        _ = try await client.execute(
            "job-dismiss", arguments: ["id": .string(id)], returning: JSONValue.self)
        if let text = job.error { throw HypervisorError(.snapshotFailed, failure, cause: text) }
    }

    private struct Job: Decodable, Sendable {
        let id: String
        let status: String
        let error: String?
    }

    private func job(_ id: String) async throws -> Job {
        let jobs = try await client.execute("query-jobs", returning: [Job].self)
        guard let job = jobs.first(where: { $0.id == id }) else {
            throw HypervisorError(.snapshotFailed, "QEMU has lost its job '\(id)'; save the snapshot again.")
        }
        return job
    }

    private struct BlockNode: Decodable, Sendable {
        struct Image: Decodable, Sendable { let snapshots: [SnapshotEntry]? }
        let name: String
        let image: Image
        private enum CodingKeys: String, CodingKey {
            case name = "node-name"
            case image
        }
    }
}

/// A `SnapshotInfo` of QEMU (qapi/block-core.json), also what `qemu-img info --output=json` prints.
struct SnapshotEntry: Decodable, Sendable {
    let id: String
    let name: String
    let machineStateSize: UInt64
    let seconds: Int64
    let nanoseconds: Int64

    private enum CodingKeys: String, CodingKey {
        case id, name
        case machineStateSize = "vm-state-size"
        case seconds = "date-sec"
        case nanoseconds = "date-nsec"
    }
}

extension InternalSnapshot {
    /// Puts the nodes' entries of one name together; oldest first.
    static func merge(_ nodes: [(node: String, entries: [SnapshotEntry])]) -> [InternalSnapshot] {
        var merged: [String: InternalSnapshot] = [:]
        for (node, entries) in nodes {
            for entry in entries {
                var snapshot =
                    merged[entry.name]
                    ?? InternalSnapshot(
                        name: entry.name, ids: [:], machineStateNode: nil, machineStateSize: 0,
                        seconds: entry.seconds, nanoseconds: entry.nanoseconds)
                snapshot.ids[node] = entry.id
                if entry.machineStateSize > 0 {
                    snapshot.machineStateNode = node
                    snapshot.machineStateSize = entry.machineStateSize
                }
                merged[entry.name] = snapshot
            }
        }
        return merged.values.sorted { ($0.seconds, $0.nanoseconds, $0.name) < ($1.seconds, $1.nanoseconds, $1.name) }
    }
}
