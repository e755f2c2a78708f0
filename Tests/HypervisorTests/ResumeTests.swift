import Foundation
import Hypervisor
import Testing

@Suite struct ResumeTests {
    /// Runs the kernel guest for a while and writes its state into a file; the letter of the last tick with it.
    private func savedStream(_ lab: Laboratory) async throws -> (path: String, last: Character) {
        let qemu = try await lab.startKernelGuest(in: try lab.newRun())
        try await qemu.waitForSerial("tick c", timeout: .seconds(60))
        let path = lab.directory.path + "/state"
        try await qemu.monitor.migrate(toFile: path)
        let last = try #require(ticks(qemu.serialTail()).last)
        await qemu.quit()
        return (path, last)
    }

    private func following(_ letter: Character) throws -> Character {
        let value = try #require(letter.asciiValue)
        return letter == "z" ? "a" : Character(UnicodeScalar(value + 1))
    }

    @Test func fromFileWithPlaceholderKernel() async throws {
        try await Laboratory.with { lab in
            let (path, last) = try await savedStream(lab)
            let qemu = try await lab.startKernelGuest(in: try lab.newRun(), .incoming, hasKernel: false)
            try await qemu.resume(from: .file(path))
            try await qemu.waitForSerial("tick \(try following(last))", timeout: .seconds(60))
            #expect(!qemu.serialTail().contains("READY"))
            await qemu.quit()
        }
    }

    @Test func fromProducerAndPaused() async throws {
        try await Laboratory.with { lab in
            let (path, last) = try await savedStream(lab)
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            let qemu = try await lab.startKernelGuest(in: try lab.newRun(), .incoming)
            try await qemu.resume(
                from: .stream { sink in
                    for start in stride(from: 0, to: bytes.count, by: 10_000) {
                        try await sink.write(bytes[start..<min(start + 10_000, bytes.count)])
                    }
                }, thenRun: false)
            #expect(try await !qemu.monitor.status().running)
            #expect(ticks(qemu.serialTail()).isEmpty)
            try await qemu.monitor.continueGuest()
            try await qemu.waitForSerial("tick \(try following(last))", timeout: .seconds(60))
            await qemu.quit()
        }
    }

    @Test func garbageIsRefusedWithQEMUsWords() async throws {
        try await Laboratory.with { lab in
            let garbage = try lab.directory.file("garbage", [UInt8](repeating: 0x5a, count: 4 << 20))
            let qemu = try await lab.startKernelGuest(in: try lab.newRun(), .incoming)
            let error = try await hypervisorError {
                try await qemu.resume(
                    from: .blocking { descriptor in
                        struct Unwritten: Error {}
                        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: garbage)))
                        while true {
                            // Whatever the producer makes of it: that QEMU closed the stream is what counts.
                            if write(descriptor, bytes, bytes.count) < 0 { throw Unwritten() }
                        }
                    })
            }
            guard case .streamRefused(let text) = error.code else {
                Issue.record("\(error)")
                return
            }
            #expect(text.contains("Not a migration stream"))
            #expect(try await qemu.waitForExit().exit == .code(1))
        }
    }

    @Test func truncatedStreamIsRefused() async throws {
        try await Laboratory.with { lab in
            let (path, _) = try await savedStream(lab)
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            let short = try lab.directory.file("short", Array(bytes.prefix(bytes.count / 2)))
            let qemu = try await lab.startKernelGuest(in: try lab.newRun(), .incoming)
            let error = try await hypervisorError { try await qemu.resume(from: .file(short)) }
            guard case .streamRefused(let text) = error.code else {
                Issue.record("\(error)")
                return
            }
            #expect(text.contains("load of migration failed"))
            await qemu.quit()
        }
    }

    @Test func unknownSectionIsNamed() async throws {
        try await Laboratory.with { lab in
            let (path, _) = try await savedStream(lab)
            // The same stream into a machine without the device that it was saved with.
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            let name = Array("mc146818rtc".utf8)
            let place = try #require(
                bytes.indices.first {
                    bytes[$0] == name[0] && Array(bytes[$0..<min($0 + name.count, bytes.count)]) == name
                })
            bytes[place] = UInt8(ascii: "x")
            let altered = try lab.directory.file("altered", bytes)
            let qemu = try await lab.startKernelGuest(in: try lab.newRun(), .incoming)
            let error = try await hypervisorError { try await qemu.resume(from: .file(altered)) }
            #expect(error.cause?.contains("Unknown savevm section or instance 'xc146818rtc' 0") == true)
            await qemu.quit()
        }
    }

    @Test func producersErrorIsPassedOn() async throws {
        struct Damage: Error {}
        try await Laboratory.with { lab in
            let qemu = try await lab.startKernelGuest(in: try lab.newRun(), .incoming)
            await #expect(throws: Damage.self) { try await qemu.resume(from: .stream { _ in throw Damage() }) }
            await qemu.quit()
            let second = try await lab.startKernelGuest(in: try lab.newRun(), .incoming)
            await #expect(throws: Damage.self) { try await second.resume(from: .blocking { _ in throw Damage() }) }
            await second.quit()
        }
    }

    @Test func streamThatQEMUStopsReadingIsRefused() async throws {
        try await Laboratory.with { lab in
            let qemu = try await lab.startKernelGuest(in: try lab.newRun(), .incoming)
            let error = try await hypervisorError {
                try await qemu.resume(
                    from: .stream { sink in
                        while true { try await sink.write([UInt8](repeating: 1, count: 65_536)) }
                    })
            }
            #expect(error.cause?.contains("Not a migration stream") == true)
            await qemu.quit()
        }
    }

    @Test func diskSnapshotGoesOnFromItsStream() async throws {
        try await Laboratory.with { lab in
            let first = try await lab.startDiskGuest(in: try lab.newRun())
            try await first.waitForSerial("tick b", timeout: .seconds(60))
            let path = lab.directory.path + "/state"
            try await first.monitor.migrate(toFile: path)
            let last = try #require(ticks(first.serialTail()).last)
            await first.quit()
            let second = try await lab.startDiskGuest(in: try lab.newRun(), .incoming)
            try await second.resume(
                from: .blocking { descriptor in
                    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
                    var written = 0
                    while written < bytes.count {
                        let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                        guard count > 0 else { throw CancellationError() }
                        written += count
                    }
                })
            try await second.waitForSerial("tick \(try following(last))", timeout: .seconds(60))
            await second.quit()
        }
    }
}
