import Lineage
import Machine

extension Stemma {
    /// The machine of a snapshot in Stemma's engine, whole and concrete: as a native run begins with it. For measurements.
    ///
    /// Names that are removed meanwhile may free what it reads: whoever shares the store with others holds a lease. The machine and its
    /// forks stay on one thread.
    ///
    /// - Parameters:
    ///   - usesMachineCode: false to interpret every instruction.
    ///   - quantum: nanoseconds of a processor's turn, at least 1; nil for the usual ones.
    package func nativeMachine(
        _ reference: Reference, usesMachineCode: Bool = true, quantum: UInt64? = nil
    ) throws -> Machine {
        let origin = try catalogue.snapshot(reference)
        let state = try machineState(of: origin)
        var options = try nativeOptions(of: origin, state)
        options.usesMachineCode = usesMachineCode
        if let quantum { options.quantum = max(1, quantum) }
        let configuration = try configuration(of: origin.commit, named: reference.description)
        return try state.machine(options, disks: snapshotDisks(of: origin, configuration), isConfined: true)
    }
}
