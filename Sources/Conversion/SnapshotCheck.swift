import VMState

/// One known cause why a snapshot cannot go on in another machine.
package protocol SnapshotCheck: Sendable {
    /// Fixed id, for example `C05`.
    var id: String { get }
    /// What is looked at, in a few words.
    var title: String { get }
    /// Id of the fix for its fixable findings, if there is one.
    var fix: String? { get }
    /// Id of the ``LinuxRepair`` for its fatal findings, if there is one.
    var repair: String? { get }

    /// Looks at a snapshot; an empty result means that nothing was found.
    func run(_ context: CheckContext) throws(VMStateError) -> [Finding]
}

extension SnapshotCheck {
    package var fix: String? { nil }
    package var repair: String? { nil }

    /// A finding of this check.
    func finding(
        _ severity: Severity, _ title: String, evidence: [Finding.Evidence], effect: String, remedy: String
    ) -> Finding {
        Finding(
            check: id, title: title, severity: severity, evidence: evidence, effect: effect, remedy: remedy,
            fix: severity == .fixable ? fix : nil)
    }
}

/// The checks of the product.
package enum SnapshotChecks {
    /// All, in order of their ids.
    package static let all: [any SnapshotCheck] = [
        MachineTypeCheck(), KVMSectionsCheck(), HiddenFlagsCheck(), TimeStampCounterCheck(), DeadlineTimerCheck(),
        X2APICCheck(), HypercallCheck(),
    ]
}

/// A number as hexadecimal text.
func hex(_ value: some BinaryInteger) -> String { "0x\(String(value, radix: 16))" }
