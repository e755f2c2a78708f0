import Foundation
import Hypervisor
import Testing

@Suite struct SnapshotTests {
    /// The next change of the snapshot list.
    private func next(_ changes: AsyncStream<SnapshotChange>) async -> SnapshotChange? {
        for await change in changes { return change }
        return nil
    }

    @Test func machineWithoutDisk() async throws {
        try await Laboratory.with { lab in
            let qemu = try await lab.startKernelGuest(in: try lab.newRun())
            try await qemu.waitForSerial("tick b", timeout: .seconds(60))
            let saved = try await qemu.saveSnapshot("one")
            #expect(saved.machineStateNode == "vmstate" && saved.machineStateSize > 10_000)
            #expect(saved.isComplete(for: qemu.configuration))
            #expect(try await qemu.monitor.status().running)
            #expect(await next(qemu.snapshotChanges) == .saved(saved))
            try await qemu.saveSnapshot("two", then: .paused)
            #expect(try await !qemu.monitor.status().running)

            let error = try await hypervisorError { try await qemu.saveSnapshot("one") }
            #expect(error.code == .snapshotFailed)
            #expect(error.cause?.contains("already exists") == true)

            try await qemu.monitor.deleteSnapshot("one")
            #expect(try await qemu.monitor.snapshots().map(\.name) == ["two"])
            let result = await qemu.quit()
            #expect(result.snapshots.map(\.name) == ["two"])
        }
    }

    @Test func machineWithDiskOnReadOnlyExport() async throws {
        try await Laboratory.with { lab in
            let run = try lab.newRun()
            let qemu = try await lab.startDiskGuest(in: run)
            try await qemu.waitForSerial("tick a", timeout: .seconds(60))
            let saved = try await qemu.saveSnapshot("with-disk")
            #expect(saved.ids.keys.sorted() == ["disk0", "vmstate"])
            #expect(saved.machineStateNode == "vmstate")
            let result = await qemu.quit()
            #expect(result.snapshots == [saved])

            // The guest's write went to the overlay, and the base kept its zeros.
            let disk = try #require(qemu.configuration.disks.first)
            let overlay = try Data(contentsOf: URL(fileURLWithPath: run.paths.overlay(of: disk)))
            #expect(overlay.range(of: Data(TestGuest.disk[0..<512])) != nil)
            let base = try Data(contentsOf: URL(fileURLWithPath: "\(lab.directory.path)/disk-\(run.record.id).raw"))
            #expect(Array(base) == TestGuest.disk)
        }
    }

    @Test func savevmTypedByAPersonIsNoticed() async throws {
        try await Laboratory.with { lab in
            let qemu = try await lab.startDiskGuest(in: try lab.newRun())
            try await qemu.waitForSerial("tick a", timeout: .seconds(60))
            #expect(try await qemu.monitor.humanCommand("savevm typed") == "")
            guard case .saved(let snapshot) = await next(qemu.snapshotChanges) else {
                Issue.record("no change was reported")
                return
            }
            #expect(snapshot.name == "typed" && snapshot.isComplete(for: qemu.configuration))
            // The human monitor chooses the node for the machine state by itself.
            #expect(snapshot.machineStateNode != nil && snapshot.machineStateSize > 0)

            // Saved again under the same name: another snapshot.
            _ = try await qemu.monitor.humanCommand("savevm typed")
            guard case .saved(let again) = await next(qemu.snapshotChanges) else {
                Issue.record("no change was reported")
                return
            }
            #expect(again != snapshot)

            // While the guest is paused there is no event; the search after the end finds it.
            try await qemu.monitor.stopGuest()
            _ = try await qemu.monitor.humanCommand("savevm paused")
            let result = await qemu.quit()
            #expect(result.snapshots.map(\.name).sorted() == ["paused", "typed"])
            guard case .saved(let last) = await next(qemu.snapshotChanges) else {
                Issue.record("no change was reported")
                return
            }
            #expect(last.name == "paused")
            #expect(await next(qemu.snapshotChanges) == nil)
        }
    }

    @Test func anotherProcessSavesOverTheControlSocket() async throws {
        try await Laboratory.with { lab in
            let qemu = try await lab.startKernelGuest(in: try lab.newRun("Mini"))
            try await qemu.waitForSerial("tick a", timeout: .seconds(60))
            let registry = RunRegistry(base: lab.runs)
            let other = try await registry.connect(name: "Mini")
            #expect(other.record.qemuProcess == qemu.processID)
            let saved = try await other.monitor.saveSnapshot("elsewhere")
            #expect(await next(qemu.snapshotChanges) == .saved(saved))

            // The monitor serves one at a time: a third client waits in vain until it is free.
            let busy = try await hypervisorError {
                _ = try await registry.connect(name: "Mini", timeout: .milliseconds(200))
            }
            #expect(busy.code == .timeout)
            await other.disconnect()
            await (try await registry.connect(name: "Mini")).disconnect()
            await qemu.quit()
            let absent = try await hypervisorError { _ = try await registry.connect(name: "Maxi") }
            #expect(absent.code == .notRunning)
        }
    }

    @Test func finishedSnapshotSurvivesAKill() async throws {
        try await Laboratory.with { lab in
            let qemu = try await lab.startDiskGuest(in: try lab.newRun())
            try await qemu.waitForSerial("tick a", timeout: .seconds(60))
            let saved = try await qemu.saveSnapshot("kept")
            let result = await qemu.kill()
            #expect(result.exit == .signal(SIGKILL))
            #expect(result.snapshots == [saved])
            let error = try await hypervisorError { try await qemu.saveSnapshot("late") }
            guard case .qemuFailed(.signal(SIGKILL), _) = error.code else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func changesBetweenLists() {
        func snapshot(_ name: String, _ seconds: Int64) -> InternalSnapshot {
            InternalSnapshot(
                name: name, ids: [:], machineStateNode: nil, machineStateSize: 0, seconds: seconds, nanoseconds: 0)
        }
        let changes = SnapshotChange.changes(
            from: [snapshot("a", 1), snapshot("b", 2), snapshot("c", 3)], to: [snapshot("b", 2), snapshot("c", 4)])
        #expect(changes == [.removed(name: "a"), .saved(snapshot("c", 4))])
    }
}
