import ContentStore
import Conversion
import Foundation
import Hypervisor
import Lineage
import Synchronization
import Testing
import VMState
import Workflow

/// Guests that live after a resume, guests that do not, and what is said and done about them.
@Suite(.serialized) struct ResumeDoctorTests {
    private let limit = Duration.seconds(120)

    private func request(_ reference: String) throws -> RunRequest {
        RunRequest(try Reference(parsing: reference), mode: .prep)
    }

    /// The small guest, saved while it ticks.
    private func saveGood(_ home: borrowing TemporaryHome) async throws {
        try home.createSmallGuest()
        let limit = limit
        _ = try await home.stemma.run(request("Small")) { process, saver in
            try await process.waitForSerial("tick b", timeout: limit)
            _ = try await saver.save(Name("good"))
        }
    }

    /// A snapshot that is said to be converted from `good`, with an edited stream.
    private func addEdited(
        _ home: borrowing TemporaryHome, as name: String, _ edit: (inout MigrationStream) throws -> Void
    ) throws {
        let good = try home.snapshot("Small:good")
        var stream = try home.stemma.machineState(of: good).stream
        try edit(&stream)
        let ingest = try home.stemma.store.beginIngest(label: "test")
        var commit = good.commit.successor(.convert, of: good.digest, message: "edited")
        commit.ram = good.commit.ram
        commit.state = try ingest.putBlob(stream.skeleton())
        commit.attributes = good.commit.attributes
        try home.stemma.catalogue.addSnapshot(
            Name(name), of: Name("Small"), commit: commit, ingest: ingest, operation: "test")
    }

    /// The CPU stands at HLT with interrupts off: nothing will ever wake it.
    private func haltForEver(_ stream: inout MigrationStream) throws {
        var cpu = try #require(try stream.cpus().first)
        try cpu.set("env.eflags", to: cpu.unsigned("env.eflags") & ~0x200)
        try stream.replace(cpu)
        try stream.edit("cpu_common") { section throws(VMStateError) in try section.set("halted", to: 1) }
    }

    @Test func aTrialTellsWhatHappensAndStoresNothing() async throws {
        let home = try TemporaryHome()
        try await saveGood(home)
        try addEdited(home, as: "dead") { try haltForEver(&$0) }
        let before = try home.stemma.catalogue.vm(Name("Small")).snapshots.map(\.name)

        let good = try await home.stemma.tryResume(
            Reference(parsing: "Small:good"), policy: .standard, watch: .seconds(3))
        #expect(good.exitCode == 0)
        #expect(good.isAsPredicted)
        #expect(good.attempts.count == 1)
        #expect(good.attempts.first?.diagnosis?.verdict == .alive)
        #expect(good.attempts.first?.lastLine.hasPrefix("tick") == true)

        let dead = try await home.stemma.tryResume(
            Reference(parsing: "Small:dead"), policy: .standard, watch: .seconds(3))
        #expect(dead.exitCode == 2)
        #expect(dead.attempts.first?.diagnosis?.verdict == .silent)
        #expect(dead.attempts.first?.diagnosis?.explanation == nil)
        #expect(dead.text.contains("no check explains it"))
        #expect(try home.stemma.catalogue.vm(Name("Small")).snapshots.map(\.name) == before)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: home.stemma.home.runs).filter { $0 != "lock" } == [])
    }

    @Test func aRunThatCannotEndSaysWhy() async throws {
        let home = try TemporaryHome()
        try await saveGood(home)
        try addEdited(home, as: "deadline") { stream in
            try haltForEver(&stream)
            // LVT timer: TSC-deadline mode, vector 0xec, not masked; the APIC is on.
            try stream.edit("apic") { apic throws(VMStateError) in
                try apic.set("lvt[0]", to: 0x400ec)
                try apic.set("spurious_vec", to: 0x1ff)
            }
        }
        var request = try request("Small:deadline")
        request.isHeadless = true
        request.until = "tick"
        request.watch = .seconds(3)
        let failure = try await #require(throws: GuestFailure.self) { try await home.stemma.run(request) }
        #expect(failure.diagnosis.verdict == .silent)
        #expect(failure.diagnosis.explanation?.check == "C09")
        #expect(failure.diagnosis.explanation?.certainty == .seen)
        #expect(failure.description.contains("C09 is the cause"))
        // Its state does not change with the moment, so nothing is tried again.
        #expect(try home.stemma.catalogue.vm(Name("Small")).snapshots.count == 2)
    }

    @Test func whatWasUnderWayIsTriedAgainWithAFreshSave() async throws {
        let said = Mutex<[String]>([])
        let home = try TemporaryHome(progress: ProgressLog { line in said.withLock { $0.append(line) } })
        try await saveGood(home)
        try addEdited(home, as: "unlucky") { stream in
            try haltForEver(&stream)
            // An interrupt of the highest class in service, whose end never comes.
            try stream.edit("apic") { apic throws(VMStateError) in try apic.set("isr[7]", to: 1 << 30) }
        }
        var request = try request("Small:unlucky")
        request.isHeadless = true
        request.until = "tick"
        request.watch = .seconds(3)
        let outcome = try await home.stemma.run(request)
        #expect(outcome.console.contains("tick"))
        let names = try home.stemma.catalogue.vm(Name("Small")).snapshots.map(\.name.text)
        #expect(Set(names) == ["good", "unlucky", "good-again", "good-again-dbt"])
        let text = said.withLock { $0.joined(separator: "\n") }
        #expect(text.contains("C23"))
        #expect(text.contains("trying again with a fresh save"))
    }

    @Test func watchingCanBeSwitchedOff() async throws {
        let home = try TemporaryHome()
        try await saveGood(home)
        var request = try request("Small:good")
        request.isHeadless = true
        request.until = "tick"
        request.watch = .zero
        #expect(try await home.stemma.run(request).console.contains("tick"))
    }
}
