import Benchmarking

/// From the start of the command to a guest that runs, next to `-loadvm` from a local qcow2.
struct ResumeRow {
    let bench: Workbench

    func measure(_ report: inout RowReport) async throws {
        _ = try await GuestSnapshots.prepare(bench)
        let name = GuestSnapshots.names[1]
        // With its steps, because one of them tells when the guest runs.
        var command = bench.stemma(
            ["run", "Guest:" + name, "prep", "--headless", "--verbose"], home: bench.path("guest-home"))
        command.arguments.removeAll { $0 == "--quiet" }
        try bench.warmStore("guest-home")
        try bench.warm(bench.path("plain.qcow2"))
        var samples: (own: [Double], peer: [Double]) = ([], [])
        for round in 1...max(5, bench.request.repetitions) {
            bench.progress.step("resuming, \(round)")
            samples.own.append(try resume(command))
            var guest = try PlainQEMU(bench, loading: name)
            try guest.waitUntilRunning()
            samples.peer.append(guest.age)
        }
        let own = Figure("run until the guest runs", .seconds, samples.own, command: bench.text(command))
        let peer = Figure("-loadvm", .seconds, samples.peer, command: "qemu-system-x86_64 ... -loadvm \(name)")
        report.add(own)
        report.comparisons.append(
            Comparison("stemma / -loadvm", peer: peer, ratio: own.value / peer.value, .atMost, 1))
    }

    private func resume(_ command: Program) throws -> Double {
        let run = try BackgroundProgram(command, scratch: bench.scratch)
        return try run.wait(for: "the guest ran", seconds: 120) {
            run.errors.contains(" runs after ") ? run.age : nil
        }
    }
}
