/// The state of a stopped guest without its main memory: an internal snapshot that only the process that knows the memory
/// can complete.
package struct DeviceCapture: Sendable, Hashable {
    /// Where devices and disks are, in the overlays. It has a reserved name and never counts as complete.
    package let snapshot: InternalSnapshot
    /// Whether the guest ran until it was stopped for this.
    package let wasRunning: Bool
}

extension InternalSnapshot {
    /// How the names of snapshots without main memory begin. They are ingredients of a capture under way, or left over from
    /// one whose process died.
    static let capturePrefix = "stemma-capture-"

    /// Whether main memory was left out because it is shared with another process.
    package var lacksMemory: Bool { name.hasPrefix(Self.capturePrefix) }
}

extension QEMUMonitor {
    /// Stops the guest and saves its devices and disks into the overlays, for a guest whose main memory is in a
    /// ``SharedMemory`` that it shares.
    ///
    /// The guest stays stopped, so that the caller can take the memory as it is. Call ``resume(_:)`` and ``discard(_:)`` afterwards in
    /// any case. After a failure the guest is as it was before.
    ///
    /// The capability `x-ignore-shared` is on for as long as QEMU writes, some milliseconds. A `savevm` that a person types
    /// in this time would be saved without memory; reading it says so.
    ///
    /// - Throws: ``HypervisorError`` with `.snapshotFailed` and QEMU's text.
    package func captureDevices() async throws -> DeviceCapture {
        let status = try await status()
        guard status.status != "inmigrate", status.status != "internal-error", status.status != "shutdown" else {
            throw HypervisorError(
                .snapshotFailed, "The guest cannot be saved: its state is '\(status.status)'.")
        }
        let name = InternalSnapshot.capturePrefix + String(UInt64.random(in: 0...UInt64.max), radix: 16)
        let capture = DeviceCapture(
            snapshot: InternalSnapshot(
                name: name, ids: [:], machineStateNode: MachineConfiguration.machineStateNode, machineStateSize: 0,
                seconds: 0, nanoseconds: 0),
            wasRunning: status.running)
        if status.running { try await stopGuest() }
        do {
            try await setIgnoresSharedMemory(true)
            try await saveSnapshotJob(name)
            try await setIgnoresSharedMemory(false)
            return capture
        } catch {
            try? await setIgnoresSharedMemory(false)
            try? await resume(capture)
            throw error
        }
    }

    /// Fails when somebody let the guest run since ``captureDevices()``: its memory has changed then.
    package func requireStopped() async throws {
        guard try await status().running else { return }
        throw HypervisorError(
            .snapshotFailed, "The guest was let run on by another monitor while it was being saved. Save it again.")
    }

    /// Lets a guest run on whose memory has been taken, if it ran before.
    package func resume(_ capture: DeviceCapture) async throws {
        if capture.wasRunning { try await continueGuest() }
    }

    /// Removes what ``captureDevices()`` saved.
    package func discard(_ capture: DeviceCapture) async throws {
        try await deleteSnapshot(capture.snapshot.name)
    }

    /// Leaves shared memory out of streams that this QEMU writes or reads, or not.
    func setIgnoresSharedMemory(_ value: Bool) async throws {
        _ = try await client.execute(
            "migrate-set-capabilities",
            arguments: ["capabilities": [["capability": "x-ignore-shared", "state": .bool(value)]]],
            returning: JSONValue.self)
    }
}
