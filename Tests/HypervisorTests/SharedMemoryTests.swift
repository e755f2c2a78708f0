import Foundation
import Hypervisor
import Testing

@Suite struct SharedMemoryTests {
    @Test func onlyWhatWasWrittenTakesMemory() throws {
        let memory = try SharedMemory(size: 64 << 20)
        #expect(try memory.extents().isEmpty)
        func write(_ bytes: [UInt8], at offset: UInt64) throws {
            try bytes.withUnsafeBytes { try memory.write($0, at: offset) }
        }
        try write([1], at: 5 << 20)
        try write([2], at: 64 << 20 - 1)
        #expect(try memory.allocatedBytes() == 8192)
        #expect(try memory.extents() == [5 << 20..<5 << 20 + 4096, 64 << 20 - 4096..<64 << 20])
        var parts: [UInt64: [UInt8]] = [:]
        try memory.forEachPart { offset, bytes in parts[offset] = Array(bytes) }
        #expect(parts.keys.sorted() == [5 << 20, 64 << 20 - 4096])
        #expect(parts[5 << 20]?.first == 1 && parts[64 << 20 - 4096]?.last == 2)
        // A long extent comes in parts.
        try write([UInt8](repeating: 3, count: 20 << 20), at: 10 << 20)
        try write([UInt8](repeating: 3, count: 20 << 20), at: 30 << 20)
        var covered: [Range<UInt64>] = []
        try memory.forEachPart { offset, bytes in
            covered.append(offset..<offset + UInt64(bytes.count))
            if offset >= 10 << 20, offset < 50 << 20 { #expect(bytes[0] == 3) }
        }
        #expect(covered.reduce(0) { $0 + $1.count } == 40 << 20 + 8192)
        #expect(covered.allSatisfy { $0.count <= 32 << 20 })
        #expect(throws: HypervisorError.self) { try write([1, 2], at: 64 << 20 - 1) }
        for size in [UInt64(0), 4095, 4097, .max, 1 << 63] {
            #expect(throws: HypervisorError.self, "\(size)") { try SharedMemory(size: size) }
        }
    }

    @Test func machinesThatArrangeMemoryThemselvesAreLeftAlone() {
        var configuration = MachineConfiguration(machine: "pc-i440fx-7.2", cpu: "qemu64", memoryMiB: 32)
        #expect(configuration.obstacleToSharedMemory == nil)
        configuration.extraArguments = ["-device", "virtio-rng-pci"]
        #expect(configuration.obstacleToSharedMemory == nil)
        for arguments in [
            ["-object", "memory-backend-ram,id=m0,size=32M"], ["-numa", "node,memdev=m0"], ["-m", "64M"],
            ["-device", "pc-dimm,memdev=m1"], ["-machine", "hmat=on"],
        ] {
            configuration.extraArguments = arguments
            #expect(configuration.obstacleToSharedMemory != nil, "\(arguments)")
        }
        configuration.extraArguments = []
        configuration.machine = "microvm"
        #expect(configuration.obstacleToSharedMemory != nil)
    }

    @Test func devicesAreSavedWithoutMemoryAndTheGuestStandsStill() async throws {
        try await Laboratory.with { lab in
            let memory = try SharedMemory(size: 32 << 20)
            let run = try lab.newRun()
            let qemu = try await lab.startKernelGuest(in: run, memory: .shared(memory))
            try await qemu.waitForSerial("tick b", timeout: .seconds(60))
            let capture = try await qemu.captureDevices()
            #expect(capture.wasRunning && capture.snapshot.lacksMemory)
            #expect(try await !qemu.monitor.status().running)
            try await qemu.monitor.requireStopped()
            let listed = try #require(
                try await qemu.monitor.snapshots().first { $0.name == capture.snapshot.name })
            #expect(!listed.isComplete(for: qemu.configuration))
            // Far less than the guest's memory.
            #expect(listed.machineStateSize > 10_000 && listed.machineStateSize < 2 << 20)
            try await qemu.monitor.resume(capture)
            #expect(try await qemu.monitor.status().running)
            #expect(try await hypervisorError { try await qemu.monitor.requireStopped() }.code == .snapshotFailed)
            try await qemu.monitor.discard(capture)
            #expect(try await qemu.monitor.snapshots().isEmpty)

            // A paused guest stays paused, and QEMU's own snapshots are whole afterwards.
            try await qemu.monitor.stopGuest()
            let paused = try await qemu.captureDevices()
            try await qemu.monitor.resume(paused)
            #expect(try await !qemu.monitor.status().running)
            let whole = try await qemu.saveSnapshot("whole")
            #expect(whole.isComplete(for: qemu.configuration))
            #expect(whole.machineStateSize > listed.machineStateSize)
            let result = await qemu.quit()
            #expect(result.snapshots.filter { $0.isComplete(for: qemu.configuration) } == [whole])
            // Captures are nobody's news.
            var changes: [SnapshotChange] = []
            for await change in qemu.snapshotChanges { changes.append(change) }
            #expect(changes == [.saved(whole)])
        }
    }

    @Test func aGuestThatCannotBeSavedRunsOn() async throws {
        try await Laboratory.with { lab in
            let qemu = try await lab.startKernelGuest(
                in: try lab.newRun(), memory: .shared(SharedMemory(size: 32 << 20)))
            try await qemu.waitForSerial("tick b", timeout: .seconds(60))
            // A blocker of migrations blocks snapshots too; a read-only vmstate node would as well.
            _ = try await qemu.monitor.client.execute(
                "blockdev-reopen",
                arguments: [
                    "options": [
                        [
                            "driver": "qcow2", "node-name": "vmstate", "read-only": true,
                            "file": ["driver": "file", "filename": .string(qemu.run.paths.machineStateImage)],
                        ]
                    ]
                ], returning: JSONValue.self)
            let error = try await hypervisorError { _ = try await qemu.captureDevices() }
            #expect(error.code == .snapshotFailed)
            #expect(error.cause?.contains("vmstate") == true, "\(error)")
            #expect(try await qemu.monitor.status().running)
            await qemu.quit()
        }
    }

    @Test func theFilesOfARunAreTheUsersAlone() async throws {
        try await Laboratory.with { lab in
            let run = try lab.newRun()
            let qemu = try await lab.startKernelGuest(in: run)
            let server = try await RequestServer.start(socket: run.paths.requestSocket) { "got \($0)" }
            func mode(_ path: String) throws -> Int {
                try #require(
                    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
            }
            #expect(try mode(run.paths.directory) == 0o700)
            #expect(try mode(lab.runs) == 0o700)
            for path in [
                run.paths.monitorSocket, run.paths.controlSocket, run.paths.requestSocket, run.paths.serialLog,
                run.paths.errorLog, run.paths.recordFile,
            ] {
                #expect(try mode(path) & 0o077 == 0, "\(path)")
            }
            #expect(try await RequestServer.ask("a question", socket: run.paths.requestSocket) == "got a question")
            await server.stop()
            let error = try await hypervisorError {
                _ = try await RequestServer.ask("another", socket: run.paths.requestSocket)
            }
            #expect([.io(errno: ECONNREFUSED), .io(errno: ENOENT)].contains(error.code))
            await qemu.quit()
        }
    }

    @Test func memoryInUseIsCounted() async throws {
        let own = try #require(MemoryUse(process: getpid()))
        #expect(own.resident > 1 << 20 && own.resident >= own.proportional)
        #expect(own.shared + own.unshared <= own.resident)
        #expect(MemoryUse(process: -1) == nil)
    }
}
