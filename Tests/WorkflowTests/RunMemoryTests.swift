import ContentStore
import Foundation
import Hypervisor
import Lineage
import Synchronization
import Testing
import Workflow

/// Runs whose main memory is a file that QEMU maps.
@Suite(.serialized) struct RunMemoryTests {
    private let limit = Duration.seconds(120)

    private func request(_ reference: String) throws -> RunRequest {
        RunRequest(try Reference(parsing: reference), mode: .prep)
    }

    /// Saves a snapshot of the small guest in the given way, and says what was done.
    private func save(
        _ home: borrowing TemporaryHome, _ reference: String = "Small", as name: String, way: SaveWay = .direct,
        sharesMemory: Bool = true
    ) async throws -> SavedSnapshot {
        var request = try request(reference)
        request.sharesMemory = sharesMemory
        let saved = Mutex<SavedSnapshot?>(nil)
        let limit = limit
        _ = try await home.stemma.run(request) { process, saver in
            try await process.waitForSerial("tick", timeout: limit)
            let snapshot = try await saver.save(Name(name), way: way)
            saved.withLock { $0 = snapshot }
            #expect(try await process.monitor.status().running)
        }
        return try #require(saved.withLock { $0 })
    }

    @Test(arguments: ["pc-i440fx-7.2", "pc-q35-7.2"])
    func bothWaysStoreTheSame(_ machine: String) async throws {
        let home = try TemporaryHome()
        try home.createSmallGuest(machine: machine)
        let limit = limit
        let outcome = try await home.stemma.run(request("Small")) { process, saver in
            try await process.waitForSerial("tick b", timeout: limit)
            try await process.monitor.stopGuest()
            let direct = try await saver.save(Name("direct"))
            let savevm = try await saver.save(Name("savevm"), way: .savevm)
            let again = try await saver.save(Name("again"))
            #expect([direct.way, savevm.way, again.way] == [.direct, .savevm, .direct])
            // The same guest again: a commit, and the devices, because its clock goes on.
            #expect((again.newBytes ?? .max) < 262_144)
            // One that was paused is still paused, and no capture is left over.
            #expect(try await !process.monitor.status().running)
            #expect(try await process.monitor.snapshots().map(\.name) == ["savevm"])
        }
        #expect(outcome.snapshots.map(\.description) == ["Small:direct", "Small:savevm", "Small:again"])
        let (direct, savevm) = (try home.snapshot("Small:direct").commit, try home.snapshot("Small:savevm").commit)
        #expect(try direct.ram == savevm.ram && direct.ram == home.snapshot("Small:again").commit.ram)
        #expect(direct.ram["pc.ram"]?.digest != nil)
        #expect(direct.disks == savevm.disks)
        #expect(direct.machine == savevm.machine)
        #expect(direct.attributes == savevm.attributes)
        // All but the battery-backed clock, which follows the host's.
        var streams = try ["direct", "savevm", "again"].map {
            try home.stemma.machineState(of: home.snapshot("Small:\($0)")).stream
        }
        for index in streams.indices { try streams[index].remove("mc146818rtc") }
        #expect(streams[0] == streams[1] && streams[0] == streams[2])
        #expect(try streams[0].skeleton() == streams[1].skeleton())
        // Each one stands on the one before.
        #expect(savevm.parents == [try home.snapshot("Small:direct").digest])
    }

    @Test func aRunningGuestGoesOnAndItsSnapshotSaysThatItRan() async throws {
        let home = try TemporaryHome()
        try home.createSmallGuest()
        let saved = try await save(home, as: "one")
        #expect(saved.way == .direct && saved.pause > 0 && saved.total >= saved.pause)
        #expect(saved.snapshot == "Small:one")
        for way in SaveWay.allCases {
            let name = "ran-\(way.rawValue)"
            _ = try await save(home, as: name, way: way)
            let state = try home.stemma.machineState(of: home.snapshot("Small:\(name)"))
            let text = try #require(state.stream.device("globalstate")).bytes("runstate").prefix { $0 != 0 }
            #expect(String(decoding: text, as: UTF8.self) == "running")
            #expect(try state.stream.device("globalstate")?.unsigned("size") == 8)
        }
    }

    @Test func everyWayOfResumingTakesEveryWayOfSaving() async throws {
        let home = try TemporaryHome()
        try home.createSmallGuest()
        for way in SaveWay.allCases {
            _ = try await save(home, as: "base-\(way.rawValue)", way: way, sharesMemory: way == .direct)
            for sharesMemory in [true, false] {
                let name = "\(way.rawValue)-\(sharesMemory)"
                let next = try await save(
                    home, "Small:base-\(way.rawValue)", as: name, sharesMemory: sharesMemory)
                #expect(next.way == (sharesMemory ? .direct : .savevm))
                let outcome = try await home.stemma.run(request("Small:\(name)")) { process, _ in
                    try await process.waitForSerial("tick", timeout: .seconds(120))
                }
                #expect(!outcome.console.contains("READY"))
                #expect(outcome.startSeconds > 0)
            }
        }
        // What the guest wrote before the first snapshot is still there in the last one.
        let tree = try #require(try home.snapshot("Small:direct-true").commit.ram["pc.ram"])
        let pattern = try home.stemma.store.read(tree, at: 0x2_0000, count: 8)
        #expect(pattern == [0, 0, 2, 0, 4, 0, 6, 0])
    }

    @Test func aMachineThatArrangesItsMemoryGoesTheOrdinaryWay() async throws {
        let home = try TemporaryHome()
        try home.createSmallGuest(
            arguments: ["-object", "memory-backend-ram,id=m0,size=32M", "-numa", "node,memdev=m0"])
        let saved = try await save(home, as: "one")
        #expect(saved.way == .savevm)
        #expect(try home.snapshot("Small:one").commit.ram["m0"] != nil)
        let again = try await save(home, "Small:one", as: "two")
        #expect(again.way == .savevm)
    }

    @Test func aRunPinsWhatItServes() async throws {
        let home = try TemporaryHome()
        try home.createSmallGuest()
        _ = try await save(home, as: "one")
        let origin = try home.snapshot("Small:one").digest
        let store = home.stemma.store
        _ = try await home.stemma.run(request("Small:one")) { process, _ in
            #expect(try store.leases().contains { $0.pins == [origin] && $0.label == "run Small:one" })
            try await process.waitForSerial("tick", timeout: .seconds(120))
        }
        #expect(try store.leases().isEmpty)
        var request = try request("Small:one")
        request.isHeadless = true
        request.until = "no such text"
        request.timeout = .seconds(1)
        await #expect(throws: HypervisorError.self) { try await home.stemma.run(request) }
        #expect(try store.leases().isEmpty)
    }

    @Test func aNameThatIsTakenIsRefusedBeforeTheGuestIsStopped() async throws {
        let home = try TemporaryHome()
        try home.createSmallGuest()
        _ = try await save(home, as: "one")
        await #expect(throws: LineageError.self) { try await save(home, as: "one") }
    }

    @Test func severalAtOnceAreSavedOneAfterTheOther() async throws {
        let home = try TemporaryHome()
        try home.createSmallGuest()
        let outcome = try await home.stemma.run(request("Small")) { process, saver in
            try await process.waitForSerial("tick", timeout: .seconds(120))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...5 {
                    let way: SaveWay = number == 3 ? .savevm : .direct
                    group.addTask { _ = try await saver.save(Name("s\(number)"), way: way) }
                }
                try await group.waitForAll()
            }
            try await process.waitForSerial("tick", from: 0, timeout: .seconds(120))
        }
        #expect(outcome.snapshots.map(\.description).sorted() == (1...5).map { "Small:s\($0)" })
        let origin = try home.stemma.catalogue.vm(Name("Small")).head.digest
        var parents: Set<Digest> = []
        for number in 1...5 { parents.formUnion(try home.snapshot("Small:s\(number)").commit.parents) }
        #expect(parents.count == 5 && parents.contains(origin))
    }

    @Test func clonesShareTheMemoryThatTheyDoNotWrite() async throws {
        let home = try TemporaryHome()
        try home.createSmallGuest()
        _ = try await save(home, as: "one")
        var request = try request("Small:one")
        request.until = "tick"
        request.timeout = limit
        request.save = try Name("clone")
        let report = try await home.stemma.runClones(request, count: 3)
        #expect(report.guests.map(\.number) == [1, 2, 3])
        #expect(report.failures == 0, "\(report.text)")
        // The file holds what the guest wrote, and not the rest of its 32 MiB.
        #expect(report.sharedFileBytes >= 65_536 && report.sharedFileBytes < 16 << 20)
        for guest in report.guests {
            #expect(guest.console.contains("tick") && !guest.console.contains("READY"))
            #expect(guest.snapshots.map(\.description) == ["Small:clone-\(guest.number)"])
            #expect((guest.memory?.shared ?? 0) > 0)
        }
        // Their snapshots are those of the guest, each with disks and memory of its own.
        let after = try await save(home, "Small:clone-2", as: "after")
        #expect(after.way == .direct)
        #expect(try home.stemma.runs.entries().isEmpty)
        #expect(try home.stemma.store.leases().isEmpty)
        await #expect(throws: WorkflowError.self) {
            try await home.stemma.runClones(RunRequest(Reference(parsing: "Small"), mode: .prep), count: 2)
        }
    }
}
