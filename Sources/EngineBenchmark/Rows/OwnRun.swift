/// A program that ran in a process of its own, by one of Stemma's engines in the guest.
struct OwnRun {
    let run: GuestRun
    let command: String

    static func guest(_ bench: EngineBench, _ workload: Workload, _ execution: EngineWorker.Execution) throws -> OwnRun
    {
        let run = try bench.work(
            ["guest", BenchGuest.snapshot, execution.rawValue, workload.rawValue, "\(bench.request.limit)"],
            as: GuestRun.self
        ).result
        return OwnRun(run: run, command: workload.command)
    }

    /// Instructions a second.
    var rate: Double { run.seconds > 0 ? Double(run.instructions ?? 0) / run.seconds : 0 }
}
