import ContentStore
import Hypervisor
import Lineage
import Machine
import VMState
import X86

/// What came of running the engine and QEMU side by side.
package struct LockstepReport: Sendable, Codable {
    /// A register, or a place in memory, that differs.
    package struct Difference: Sendable, Codable {
        package let place: String
        package let engine: String
        package let qemu: String
    }

    package var snapshot: String
    /// Instructions that both have executed.
    package var instructions: UInt64 = 0
    /// Instructions of them in user mode.
    package var userInstructions: UInt64 = 0
    /// Instructions whose results come from outside (time, ports, identification, device memory): the engine took QEMU's.
    package var taken: UInt64 = 0
    /// Instructions after which flags differed that the manual leaves undefined: the engine took QEMU's.
    package var undefinedFlags: UInt64 = 0
    /// Instructions that read page-table entries whose accessed and dirty bits differed: a processor may keep translations in its TLB for
    /// as long as it likes, and the two do so in their own ways. The engine took QEMU's entries.
    package var tableBits: UInt64 = 0
    /// Pages of memory that were compared at the end, and before now and then.
    package var pagesCompared = 0
    /// The instruction after which something differed: its address and bytes.
    package var address: String?
    package var code: String?
    package var differences: [Difference] = []
    /// Why it ended before all instructions were executed, if no difference was the reason.
    package var ending: String?

    package var isEqual: Bool { differences.isEmpty }

    package var text: String {
        var lines = [
            "\(instructions) instructions (\(userInstructions) in user mode), \(pagesCompared) pages compared: "
                + (isEqual ? "no difference" : "they differ"),
            "\(taken) took their results from outside; \(undefinedFlags) left flags undefined that differed; \(tableBits) read "
                + "accessed or dirty bits of page tables that differed",
        ]
        if let ending { lines.append("ended early: \(ending)") }
        if let address { lines.append("at \(address): \(code ?? "")") }
        for difference in differences {
            lines.append("  \(difference.place)  engine \(difference.engine)  QEMU \(difference.qemu)")
        }
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// Runs a snapshot's first CPU in the engine and under QEMU's translator, one instruction after the other, and compares.
    ///
    /// No interrupt comes in either of them, as QEMU's stub has it while it steps.
    package func lockstep(_ reference: Reference, count: UInt64) async throws -> LockstepReport {
        let snapshot = try catalogue.snapshot(reference)
        let configuration = try configuration(of: snapshot.commit, named: reference.description)
        guard configuration.cpus == 1 else {
            throw WorkflowError(
                .usage, "Lockstep compares snapshots of one CPU: in QEMU the others would run on while one steps.")
        }
        let state = try machineState(of: snapshot)
        let installation = try installation()
        var request = RunRequest(reference, mode: .prep)
        request.isHeadless = true
        request.isTrial = true
        let run = try RunDirectory.create(
            under: home.runs, name: "\(reference.vm)#lockstep", purpose: "lockstep", exclusive: false)
        let session = RunSession(
            stemma: self, request: request, origin: snapshot, configuration: configuration, run: run,
            installation: installation, memory: .anonymous(state), title: "\(reference)")
        let socket = run.paths.socketDirectory + "/gdb"
        let box = LockstepBox()
        var options = MachineOptions()
        options.stopsAtHypercalls = false
        options.setsResumeFlag = false
        if let fingerprint = try recordedFingerprint(of: snapshot.commit) {
            options.model = ProcessorModel(fingerprint)
        }
        let chosen = options
        progress.step("\(reference): \(count) instructions in the engine and under QEMU")
        _ = try await Interruption.cancelling {
            try await session.execute { process, _ in
                _ = try await process.monitor.humanCommand("gdbserver unix:\(socket),server=on,wait=off")
                let comparison = Lockstep(name: reference.description, socket: socket, count: count, box: box)
                try await onDeepThread("lockstep", stop: { box.cancel() }) {
                    try comparison.run(try state.machine(chosen))
                }
            }
        }
        guard let report = box.report else { throw CancellationError() }
        return report
    }
}
