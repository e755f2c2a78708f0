import Foundation
import Hypervisor
import Testing

@Suite struct RunDirectoryTests {
    @Test func aliveWhileOwned() async throws {
        try await TemporaryDirectory.with { directory in
            let base = directory.path + "/state/runs"
            let registry = RunRegistry(base: base)
            #expect(try registry.entries().isEmpty)
            var run: RunDirectory? = try RunDirectory.create(under: base, name: "Mini", purpose: "prep")
            let record = try #require(run?.record)
            #expect(try registry.running(name: "Mini") == record)
            #expect(try registry.running(name: "Maxi") == nil)
            let attributes = try FileManager.default.attributesOfItem(atPath: record.paths.directory)
            #expect(attributes[.posixPermissions] as? Int == 0o700)

            let second = try await hypervisorError {
                _ = try RunDirectory.create(under: base, name: "Mini", purpose: "kvm")
            }
            #expect(second.code == .alreadyRunning)
            #expect(second.message.contains("prep"))
            let removal = try await hypervisorError { try registry.remove(record) }
            #expect(removal.code == .alreadyRunning)

            // The owner is gone without a result: as after a crash.
            withExtendedLifetime(run) {}
            run = nil
            #expect(try registry.entries().map(\.state) == [.abandoned])
            #expect(try registry.running(name: "Mini") == nil)
            try registry.remove(record)
            #expect(try registry.entries().isEmpty)
        }
    }

    @Test func longPathsGetAShortSocketDirectory() async throws {
        try await TemporaryDirectory.with { directory in
            let base = directory.path + "/" + String(repeating: "long/", count: 30)
            let run = try RunDirectory.create(under: base, name: "a", purpose: "x", shortDirectory: directory.path)
            #expect(run.paths.monitorSocket.utf8.count <= RunPaths.longestSocketPath)
            #expect(run.paths.incomingSocket.utf8.count <= RunPaths.longestSocketPath)
            #expect(run.paths.overlay(of: .init(id: "disk0", slot: 4)).hasPrefix(base))
            #expect(FileManager.default.fileExists(atPath: run.paths.socketDirectory))
            try run.remove()
            #expect(!FileManager.default.fileExists(atPath: run.paths.socketDirectory))
            #expect(!FileManager.default.fileExists(atPath: run.paths.directory))
        }
    }

    @Test func strangeFilesAreIgnored() async throws {
        try await TemporaryDirectory.with { directory in
            for name in ["r1", "r2"] {
                try FileManager.default.createDirectory(
                    atPath: "\(directory.path)/\(name)", withIntermediateDirectories: false)
            }
            _ = try directory.file("r1/run.json", Array("{".utf8))
            #expect(try RunRegistry(base: directory.path).entries().isEmpty)
        }
    }

    @Test func damagedOverlayIsReported() async throws {
        try await TemporaryDirectory.with { directory in
            let tool = try QEMUInstallation.find().images
            let path = try directory.file("broken.qcow2", Array("QFI\u{fb}".utf8) + [UInt8](repeating: 7, count: 600))
            let error = try await hypervisorError { _ = try await tool.snapshots(in: [(node: "disk0", path: path)]) }
            guard case .qemuFailed = error.code else {
                Issue.record("\(error)")
                return
            }
            #expect(error.message.contains(path))
        }
    }

    @Test func overlayNamesItsBase() async throws {
        try await TemporaryDirectory.with { directory in
            let tool = try QEMUInstallation.find().images
            let path = directory.path + "/o.qcow2"
            try ImageTool.createOverlay(
                at: path, on: .nbd(socket: "/tmp/a b.sock", export: "x/y", size: 5 << 20))
            let header = try Data(contentsOf: URL(fileURLWithPath: path)).prefix(65_536)
            #expect(header.range(of: Data("nbd+unix:///x/y?socket=/tmp/a%20b.sock".utf8)) != nil)
            #expect(Array(header[24..<32]) == [0, 0, 0, 0, 0, 0x50, 0, 0])
            #expect(try await tool.snapshots(in: [(node: "disk0", path: path)]).isEmpty)
        }
    }
}
