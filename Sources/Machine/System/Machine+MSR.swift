import PCDevices
import X86

/// Model-specific registers.
///
/// A register that the engine does not know keeps what is written to it and reads as that, 0 before. (Linux probes MSRs with fault
/// handling, but a snapshot's guest has done so on another machine; a #GP now would hit code that expects success.)
extension Machine {
    func readMSR(_ number: UInt32) throws(AccessFailure) -> UInt64 {
        let system = processor.system
        switch number {
        case MSR.timeStampCounter: return timeStamp
        case MSR.apicBase: return board.localAPICs[activeProcessor].base
        case MSR.timeStampDeadline: return board.localAPICs[activeProcessor].tscDeadline(now: processor.time(options))
        case MSR.timeStampAdjust: return system.pointee.timeStampAdjust
        case MSR.sysenterCS: return system.pointee.sysenterCS
        case MSR.sysenterESP: return system.pointee.sysenterESP
        case MSR.sysenterEIP: return system.pointee.sysenterEIP
        case MSR.miscEnable: return system.pointee.miscEnable
        case MSR.pat: return system.pointee.pat
        case MSR.mtrrDefaultType: return system.pointee.mtrrDefaultType
        case MSR.efer: return system.pointee.efer
        case MSR.star: return system.pointee.star
        case MSR.lstar: return system.pointee.lstar
        case MSR.cstar: return system.pointee.cstar
        case MSR.syscallMask: return system.pointee.syscallMask
        case MSR.fsBase: return processor[.fsBase]
        case MSR.gsBase: return processor[.gsBase]
        case MSR.kernelGSBase: return system.pointee.kernelGSBase
        case MSR.timeStampAux: return system.pointee.timeStampAux
        case LocalAPIC.x2APICRegisters: return try readLocalMSR(number)
        default: return system.pointee.otherMSRs[number] ?? 0
        }
    }

    func writeMSR(_ number: UInt32, _ value: UInt64) throws(AccessFailure) {
        let system = processor.system
        switch number {
        case MSR.timeStampCounter:
            processor.setTimeStamp(value, options)
        case MSR.apicBase: try writeAPICBase(value)
        case MSR.timeStampDeadline: writeTimeStampDeadline(value)
        case MSR.timeStampAdjust:
            system.pointee.timeStampBase &+= value &- system.pointee.timeStampAdjust
            system.pointee.timeStampAdjust = value
        case MSR.sysenterCS: system.pointee.sysenterCS = value & 0xFFFF
        case MSR.sysenterESP: system.pointee.sysenterESP = try canonical(value)
        case MSR.sysenterEIP: system.pointee.sysenterEIP = try canonical(value)
        case MSR.miscEnable: system.pointee.miscEnable = value
        case MSR.pat: system.pointee.pat = value
        case MSR.mtrrDefaultType: system.pointee.mtrrDefaultType = value
        case MSR.efer:
            // LME changes only while paging is off; LMA follows CR0.PG.
            let changeable = EFER.systemCall | EFER.noExecute | EFER.longModeEnable
            guard value & ~(changeable | EFER.longModeActive | 0xF000) == 0,
                !system.isPaging || (value ^ system.pointee.efer) & EFER.longModeEnable == 0
            else { throw .exception(.generalProtection) }
            system.pointee.efer = system.pointee.efer & ~changeable | value & changeable
            processor.tlb.flush()
        case MSR.star: system.pointee.star = value
        case MSR.lstar: system.pointee.lstar = try canonical(value)
        case MSR.cstar: system.pointee.cstar = try canonical(value)
        case MSR.syscallMask: system.pointee.syscallMask = value & 0xFFFF_FFFF
        case MSR.fsBase: processor[.fsBase] = try canonical(value)
        case MSR.gsBase: processor[.gsBase] = try canonical(value)
        case MSR.kernelGSBase: system.pointee.kernelGSBase = try canonical(value)
        case MSR.timeStampAux: system.pointee.timeStampAux = value & 0xFFFF_FFFF
        case LocalAPIC.x2APICRegisters: try writeLocalMSR(number, value)
        default:
            writeParavirtualMSR(number, value)
            system.pointee.otherMSRs[number] = value
        }
    }

    private func canonical(_ value: UInt64) throws(AccessFailure) -> UInt64 {
        guard Self.isCanonical(value) else { throw .exception(.generalProtection) }
        return value
    }
}
