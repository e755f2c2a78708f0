import ContentStore
import Foundation
import Lineage
import Synchronization
import Workflow

/// Two snapshots of a guest that booted to its login, seconds apart: in the store, and by plain QEMU's `savevm`.
///
/// The rows of RAM and of resuming share them.
struct GuestSnapshots: Sendable {
    static let machine = "pc-i440fx-7.2"
    static let cpu = "qemu64"
    static let memoryMiB = 512
    /// What the guest prints when it has booted, and how long it may go on with what a boot leaves to do.
    private static let sign = "login:"
    private static let settling = 20
    private static let pause = 5

    /// What saving took.
    struct Saved: Sendable {
        /// Seconds of `savevm`, until QEMU answers.
        var plain: [Double] = []
        /// Seconds until the snapshot was durable in the store.
        var own: [Double] = []
        /// Seconds that the guest stood still.
        var pauses: [Double] = []
        /// Bytes that the store did not have, before and after compression.
        var newBytes: [Double] = []
        var storedBytes: [Double] = []
    }

    static let names = ["first", "second", "third", "fourth"]

    /// Boots the guest both ways and saves it four times each. Later calls give the same result.
    static func prepare(_ bench: Workbench) async throws -> Saved {
        if let saved = bench.guest.withLock({ $0 }) { return saved }
        var saved = Saved()
        try plain(bench, &saved)
        let own = try await stored(bench)
        saved.own = own.map(\.total)
        saved.pauses = own.map(\.pause)
        saved.newBytes = own.map { Double($0.newBytes ?? 0) }
        saved.storedBytes = own.map { Double($0.storedBytes ?? 0) }
        let result = saved
        bench.guest.withLock { $0 = result }
        return saved
    }

    private static func plain(_ bench: Workbench, _ saved: inout Saved) throws {
        bench.progress.step("booting the guest under plain QEMU")
        try bench.warm(bench.request.disk)
        try PlainQEMU.makeOverlay(bench)
        var guest = try PlainQEMU(bench)
        try guest.waitForConsole(sign, seconds: 900)
        sleep(UInt32(settling))
        for name in names {
            bench.progress.step("savevm \(name)")
            try bench.synchronize()
            let clock = ContinuousClock()
            let start = clock.now
            try guest.humanCommand("savevm " + name)
            try bench.synchronize()
            saved.plain.append((clock.now - start) / .seconds(1))
            sleep(UInt32(pause))
        }
    }

    private static func stored(_ bench: Workbench) async throws -> [SavedSnapshot] {
        bench.remove("guest-home")
        let stemma = try Stemma(home: Home(root: bench.path("guest-home")), progress: .silent)
        var creation = CreateRequest(try Name("Guest"))
        creation.files = [bench.request.disk]
        creation.format = "raw"
        creation.machine = machine
        creation.cpu = cpu
        creation.memoryMiB = memoryMiB
        bench.progress.step("storing the guest's disk")
        _ = try await stemma.createVM(creation)
        bench.progress.step("booting the guest under stemma")
        var request = RunRequest(try Reference(parsing: "Guest"), mode: .prep)
        request.timeout = .seconds(900)
        let results = Mutex<[SavedSnapshot]>([])
        let box = Box(results: results)
        _ = try await stemma.run(request) { process, saver in
            try await process.waitForSerial(sign, timeout: .seconds(900))
            try await Task.sleep(for: .seconds(settling))
            for name in names {
                bench.progress.step("saving \(name)")
                try bench.synchronize()
                let saved = try await saver.save(try Name(name))
                box.results.withLock { $0.append(saved) }
                try await Task.sleep(for: .seconds(pause))
            }
        }
        return box.results.withLock { $0 }
    }

    /// Carries results out of a run.
    private final class Box: Sendable {
        let results: Mutex<[SavedSnapshot]>

        init(results: consuming sending Mutex<[SavedSnapshot]>) { self.results = results }
    }
}
