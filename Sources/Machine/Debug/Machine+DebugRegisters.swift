import X86

// Debug registers (Intel SDM volume 3, 17.2)
extension Machine {
    func readDebug(_ number: Int) throws(AccessFailure) -> UInt64 {
        processor.system.pointee.debug[try debugRegister(number)]
    }

    func writeDebug(_ number: Int, _ value: UInt64) throws(AccessFailure) {
        let system = processor.system
        let register = try debugRegister(number)
        if register >= 6, value >> 32 != 0 { throw .exception(.generalProtection) }
        switch register {
        case 7: system.pointee.debug[7] = value & DR7.changeable | DR7.fixed
        case 6: system.pointee.debug[6] = value & DR6.changeable | DR6.fixed
        default: system.pointee.debug[register] = value
        }
        if register != 6 { processor.breakpointsChanged() }
    }

    /// The register that a MOV names: DR4 and DR5 are DR6 and DR7, or nothing under CR4.DE.
    private func debugRegister(_ number: Int) throws(AccessFailure) -> Int {
        let system = processor.system
        let isAlias = number == 4 || number == 5
        guard number < 8, !isAlias || system.pointee.cr4 & CR4.debuggingExtensions == 0 else {
            throw .exception(.invalidOpcode)
        }
        try requireSupervisor()
        if system.pointee.debug[7] & DR7.generalDetect != 0 { throw .exception(.debugFault(DR6.generalDetect)) }
        return isAlias ? number + 2 : number
    }

    /// What changes when the handler of a debug exception is entered. Bits of DR6 other than those of breakpoints stay until software
    /// clears them.
    func enterDebugHandler(_ exception: GuestException) {
        let system = processor.system
        if let status = exception.debugStatus {
            system.pointee.debug[6] = system.pointee.debug[6] & ~DR6.breakpoints | status | DR6.fixed
        }
        system.pointee.debug[7] &= ~DR7.generalDetect
        if let control = system.pointee.otherMSRs[MSR.debugControl], control & Self.stepsOnBranches != 0 {
            system.pointee.otherMSRs[MSR.debugControl] = control & ~Self.stepsOnBranches
        }
    }

    /// IA32_DEBUGCTL.BTF: RFLAGS.TF traps behind taken branches only.
    static let stepsOnBranches: UInt64 = 2
}
