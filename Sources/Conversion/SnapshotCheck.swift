import VMState

/// One known cause why a snapshot cannot go on in another machine.
package protocol SnapshotCheck: Sendable {
    /// Fixed id, for example `C05`.
    var id: String { get }
    /// What is looked at, in a few words.
    var title: String { get }
    /// Id of the fix for its fixable findings, if there is one.
    var fix: String? { get }
    /// Why it matters, in a few sentences for people who ask.
    var explanation: String { get }
    /// Id of the ``LinuxRepair`` for its fatal findings, if there is one.
    var repair: String? { get }

    /// Looks at a snapshot; an empty result means that nothing was found.
    func run(_ context: CheckContext) throws(VMStateError) -> [Finding]
}

extension SnapshotCheck {
    package var fix: String? { nil }
    package var explanation: String { "" }
    package var repair: String? { nil }

    /// A finding of this check.
    package func finding(
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
        MachineTypeCheck(), KVMSectionsCheck(), DeviceSetCheck(), SubsectionVersionCheck(), HiddenFlagsCheck(),
        TimeStampCounterCheck(), CounterRateCheck(), ClockPageCheck(), DeadlineTimerCheck(), X2APICCheck(),
        ProcessContextCheck(), ControlRegisterCheck(), ExtendedStateCheck(), CompactedStateCheck(), StateLayoutCheck(),
        VectorStateCheck(), ExtendedFeaturesCheck(), AsyncPageFaultCheck(), StealTimeCheck(), EndOfInterruptCheck(),
        HypercallCheck(), PollControlCheck(), InFlightInterruptCheck(), PendingInterruptCheck(),
        PendingExceptionCheck(), RunStateOfCPUsCheck(), ClockSourceCheck(), HypervisorSignatureCheck(), HyperVCheck(),
        NestedGuestCheck(), HardwareTracingCheck(), MitigationCheck(), PhysicalAddressCheck(), MemoryBlockCheck(),
        IOAPICVersionCheck(), RunStateCheck(), DiskPairingCheck(), UserProgramCheck(), VirtioRequestCheck(),
        CloneIdentityCheck(), TargetCPUModelCheck(), CounterForKVMCheck(), EventsForKVMCheck(), SVMStateCheck(),
        TranslatorFeaturesCheck(),
    ]

    /// The check of an id, in any case.
    package static func check(_ id: String) -> (any SnapshotCheck)? { all.first { $0.id == id.uppercased() } }
}

/// A number as hexadecimal text.
func hex(_ value: some BinaryInteger) -> String { "0x\(String(value, radix: 16))" }
