import VMState

/// C19: the area in which KVM notes that a CPU does not run.
struct StealTimeCheck: SnapshotCheck {
    let id = "C19"
    let title = "Steal time"
    var fix: String? { ResetStealTime.id }
    let explanation = """
        KVM notes in a shared area how long a CPU had to wait, and in the byte "preempted" that it is not running just now. \
        Linux reads that byte: it leaves out the IPI that flushes the TLB of a preempted CPU, because KVM will flush it when \
        the CPU runs again. TCG never clears the byte and never flushes, so that CPUs go on with stale translations. An odd \
        version makes readers wait for ever. The fix clears the byte and makes the version even.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        guard !context.target.hasKVMHypercalls else { return [] }
        let users = try ParavirtualArea.stealTime.evidence(context)
        guard !users.isEmpty else { return [] }
        guard context.memory != nil else {
            return [
                finding(
                    context.cpus.count > 1 ? .warning : .note, "The guest's steal time areas could not be read",
                    evidence: users, effect: "A CPU that is noted as preempted would keep stale translations.",
                    remedy: "Check the snapshot from the store, where its memory can be read.")
            ]
        }
        let stale = try SharedArea.all(.stealTime, in: context).compactMap { area -> Finding.Evidence? in
            let (preempted, version) = (area.bytes[16], area.bytes.littleEndian(8, as: UInt32.self))
            guard preempted != 0 || version % 2 == 1 else { return nil }
            return area.evidence("preempted \(preempted), version \(version)")
        }
        guard !stale.isEmpty else { return [] }
        return [
            finding(
                .fixable, "CPUs are noted as preempted, and nobody will take that back", evidence: stale,
                effect: context.cpus.count > 1
                    ? "Flushes of the TLB are left out for these CPUs: memory corruption sooner or later."
                    : "With one CPU only an odd version would matter.",
                remedy: "Convert the snapshot: the notes are cleared.")
        ]
    }
}
