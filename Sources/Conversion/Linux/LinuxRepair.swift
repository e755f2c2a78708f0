import GuestInspection
import VMState

/// A fix that knows Linux: it changes the kernel in RAM so that it no longer needs what the target lacks.
///
/// Only applied where the policy says `repairs: linux`. It refuses as soon as a symbol, a type or a value is not what it knows.
package protocol LinuxRepair: SnapshotFix {
    /// Edits a guest whose kernel is known.
    func repair(_ guest: inout LinuxGuest) throws -> [StreamChange]
}

extension LinuxRepair {
    package func apply(to snapshot: inout EditableSnapshot, context: CheckContext) throws -> [StreamChange] {
        guard let kernel = context.kernel else {
            throw FixRefusal("no Linux kernel was found in the guest's memory")
        }
        var guest = try LinuxGuest(kernel: kernel, snapshot: snapshot, context: context)
        let changes = try guest.repair(Self.id, with: self)
        snapshot = guest.snapshot
        return changes
    }
}

/// The Linux-aware repairs of the product.
package enum LinuxRepairs {
    /// By their ids; they are among ``SnapshotFixes`` as well.
    package static let all: [String: any LinuxRepair] = [
        LAPICOneShotRepair.id: LAPICOneShotRepair(), XAPICRepair.id: XAPICRepair(),
        NativeIPIRepair.id: NativeIPIRepair(), NativeClockRepair.id: NativeClockRepair(),
    ]

    /// Why a repair would refuse, or nil if it can be applied.
    static func obstacle(_ id: String, _ context: CheckContext) -> String? {
        guard let repair = all[id] else { return "there is no repair \(id)" }
        guard let memory = context.memory else { return "the guest's memory cannot be read here" }
        var trial = EditableSnapshot(stream: context.stream, memory: memory)
        do {
            _ = try repair.apply(to: &trial, context: context)
            return nil
        } catch {
            return "\(error)"
        }
    }
}
