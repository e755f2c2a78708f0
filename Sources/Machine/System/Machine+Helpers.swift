import X86

extension Machine {
    /// Runs one `.helper` operation on the active processor's slots and state.
    ///
    /// The RIP slot must hold the address of the instruction. When the outcome is not `.completed`, nothing guest-visible has changed.
    package func runHelper(_ operation: MicroOp) -> HelperOutcome {
        .exit(.unsupported(rip: processor[.rip], bytes: []))
    }
}
