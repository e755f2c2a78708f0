import VMState

/// C36: what the machine was doing when it was saved.
struct RunStateCheck: SnapshotCheck {
    let id = "C36"
    let title = "Run state of the machine"
    let explanation = """
        The section globalstate has the name of the machine's run state. A machine that was running, paused or being saved \
        goes on. One that had shut down, panicked, or stopped because of an error of its disk or of KVM has nothing to go on \
        with. Streams of postcopy and multifd migrations are refused when they are read, because their RAM is elsewhere.
        """

    private static let dead: [String: String] = [
        "shutdown": "had been switched off", "guest-panicked": "had panicked",
        "internal-error": "had stopped because of an error of its accelerator",
        "io-error": "had stopped because of an error of its disk", "watchdog": "had been stopped by its watchdog",
        "colo": "was a replica",
    ]

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        var evidence: [Finding.Evidence] = []
        var what = ""
        if let global = context.stream.device("globalstate"), global.contains("runstate") {
            let name = String(decoding: try global.bytes("runstate").prefix { $0 != 0 }, as: UTF8.self)
            if let text = Self.dead[name] {
                evidence.append(Finding.Evidence(section: global.name, field: "runstate", value: name))
                what = text
            }
        }
        for common in context.stream.devices(named: "cpu_common") where common.contains("cpu_common/crash_occurred") {
            guard try common.bytes("cpu_common/crash_occurred").contains(where: { $0 != 0 }) else { continue }
            evidence.append(Finding.Evidence(section: common.name, field: "cpu_common/crash_occurred", value: "set"))
            if what.isEmpty { what = "had crashed" }
        }
        guard !evidence.isEmpty else { return [] }
        return [
            finding(
                .fatal, "The guest \(what) when it was saved", evidence: evidence,
                effect: "There is nothing that could go on.", remedy: "Take the snapshot of a guest that runs.")
        ]
    }
}
