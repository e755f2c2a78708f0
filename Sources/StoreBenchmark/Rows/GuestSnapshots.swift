import Benchmarking
import ContentStore
import Foundation
import Lineage
import Synchronization
import Workflow

/// Snapshots of a guest at work, seconds apart: in the store, and by plain QEMU's `savevm`.
///
/// The guest booted to its login, and a service reads the system's files one after the other and packs some of them, so that
/// its memory is full and changes. The rows of RAM and of resuming share the snapshots.
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
        try makeDisk(bench)
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

    /// The guest's disk, below the scratch directory: a copy with the service.
    private static let disk = "guest.raw"

    private static let script = #"""
        #!/bin/sh
        # Reads all small files, fifty at a time, and keeps the end of what they pack to.
        while :; do
            find /usr -xdev -type f -size -256k -print0 | xargs -0 -n 50 sh -c \
                'tar -cf - "$@" 2> /dev/null | gzip -1 | tail -c 300k > /run/packed; cat "$@" > /dev/null' work
        done
        """#

    private static let service = """
        [Service]
        ExecStart=/usr/local/sbin/work
        [Install]
        WantedBy=multi-user.target

        """

    private static func makeDisk(_ bench: Workbench) throws {
        bench.progress.step("giving a copy of the disk something to do")
        let copy = bench.path(disk)
        try bench.run(Program(path: "/bin/cp", arguments: ["--sparse=always", bench.request.disk, copy]))
        let socket = bench.path("console.sock")
        let guest = try BackgroundProgram(
            Console.program(bench, disk: copy, socket: socket, network: false), scratch: bench.scratch)
        let console = try Console(guest, socket: socket)
        // As base64, so that no shell and no terminal changes a character.
        for (path, text) in [("/etc/systemd/system/work.service", service), ("/usr/local/sbin/work", script)] {
            try console.run("echo \(Data(text.utf8).base64EncodedString()) | base64 -d > \(path)", seconds: 60)
        }
        try console.run("chmod 755 /usr/local/sbin/work && systemctl enable work && sync", seconds: 120)
        try console.powerOff(guest)
    }

    private static func plain(_ bench: Workbench, _ saved: inout Saved) throws {
        bench.progress.step("booting the guest under plain QEMU")
        try PlainQEMU.makeOverlay(bench, on: bench.path(disk))
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
        creation.files = [bench.path(disk)]
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
