/// Bits of RFLAGS (Intel SDM volume 1, 3.4.3).
package enum RFlags {
    package static let carry: UInt64 = 1 << 0
    package static let reserved1: UInt64 = 1 << 1
    package static let parity: UInt64 = 1 << 2
    package static let auxiliary: UInt64 = 1 << 4
    package static let zero: UInt64 = 1 << 6
    package static let sign: UInt64 = 1 << 7
    package static let trap: UInt64 = 1 << 8
    package static let interrupt: UInt64 = 1 << 9
    package static let direction: UInt64 = 1 << 10
    package static let overflow: UInt64 = 1 << 11
    package static let privilegeLevel: UInt64 = 3 << 12
    package static let nestedTask: UInt64 = 1 << 14
    package static let resume: UInt64 = 1 << 16
    package static let virtual8086: UInt64 = 1 << 17
    package static let alignmentCheck: UInt64 = 1 << 18
    package static let virtualInterrupt: UInt64 = 1 << 19
    package static let virtualInterruptPending: UInt64 = 1 << 20
    package static let identification: UInt64 = 1 << 21

    /// CF PF AF ZF SF OF and DF: the flags that live in slots.
    package static let inSlots: UInt64 = carry | parity | auxiliary | zero | sign | direction | overflow
}

/// Bits of CR0 (Intel SDM volume 3, 2.5).
package enum CR0 {
    package static let protectionEnable: UInt64 = 1 << 0
    package static let monitorCoprocessor: UInt64 = 1 << 1
    package static let emulation: UInt64 = 1 << 2
    package static let taskSwitched: UInt64 = 1 << 3
    package static let extensionType: UInt64 = 1 << 4
    package static let numericError: UInt64 = 1 << 5
    package static let writeProtect: UInt64 = 1 << 16
    package static let alignmentMask: UInt64 = 1 << 18
    package static let notWriteThrough: UInt64 = 1 << 29
    package static let cacheDisable: UInt64 = 1 << 30
    package static let paging: UInt64 = 1 << 31
}

/// Bits of CR4 (Intel SDM volume 3, 2.5).
package enum CR4 {
    package static let timeStampDisable: UInt64 = 1 << 2
    package static let debuggingExtensions: UInt64 = 1 << 3
    package static let pageSizeExtensions: UInt64 = 1 << 4
    package static let physicalAddressExtension: UInt64 = 1 << 5
    package static let globalPages: UInt64 = 1 << 7
    package static let performanceCounters: UInt64 = 1 << 8
    package static let fxSave: UInt64 = 1 << 9
    package static let simdExceptions: UInt64 = 1 << 10
    package static let userModeInstructionPrevention: UInt64 = 1 << 11
    package static let fiveLevelPaging: UInt64 = 1 << 12
    package static let fsgsBase: UInt64 = 1 << 16
    package static let processContext: UInt64 = 1 << 17
    package static let xSave: UInt64 = 1 << 18
    package static let supervisorExecutionPrevention: UInt64 = 1 << 20
    package static let supervisorAccessPrevention: UInt64 = 1 << 21
    package static let protectionKeys: UInt64 = 1 << 22
}

/// Bits of DR6: why a debug exception was raised (Intel SDM volume 3, 17.2.3).
package enum DR6 {
    /// One bit for each of the four breakpoints.
    package static let breakpoints: UInt64 = 0xF
    /// BD: an access to a debug register while DR7.GD was set.
    package static let generalDetect: UInt64 = 1 << 13
    /// BS: a single step.
    package static let singleStep: UInt64 = 1 << 14
    /// The bits that software can change; BT stands for task switches.
    package static let changeable: UInt64 = 0xE00F
    /// Bits that read as ones.
    package static let fixed: UInt64 = 0xFFFF_0FF0
}

/// Bits of DR7: debug control (Intel SDM volume 3, 17.2.4).
package enum DR7 {
    /// Local and global enables of the four breakpoints.
    package static let enables: UInt64 = 0xFF
    package static let generalDetect: UInt64 = 1 << 13
    package static let changeable: UInt64 = 0xFFFF_2BFF
    package static let fixed: UInt64 = 0x400
}

/// Bits of XCR0: state components (Intel SDM volume 1, 13.1).
package enum XCR0 {
    package static let x87: UInt64 = 1 << 0
    package static let sse: UInt64 = 1 << 1
    /// What VEX instructions need: the SSE and the AVX component.
    package static let avx: UInt64 = 6
    /// What EVEX instructions need: SSE, AVX, opmask, and the two ZMM components.
    package static let wideVectors: UInt64 = 0xE6
    package static let protectionKeys: UInt64 = 1 << 9
}

/// Bits of the EFER register.
package enum EFER {
    package static let systemCall: UInt64 = 1 << 0
    package static let longModeEnable: UInt64 = 1 << 8
    package static let longModeActive: UInt64 = 1 << 10
    package static let noExecute: UInt64 = 1 << 11
}

/// Exception vectors (Intel SDM volume 3, table 6-1).
package enum ExceptionVector: UInt8, Sendable {
    case divideError = 0
    case debug = 1
    case nonMaskable = 2
    case breakpoint = 3
    case overflow = 4
    case boundRange = 5
    case invalidOpcode = 6
    case deviceNotAvailable = 7
    case doubleFault = 8
    case invalidTaskState = 10
    case segmentNotPresent = 11
    case stackFault = 12
    case generalProtection = 13
    case pageFault = 14
    case x87Error = 16
    case alignmentCheck = 17
    case machineCheck = 18
    case simdError = 19

    /// True for vectors that push an error code.
    package var hasErrorCode: Bool {
        switch self {
        case .doubleFault, .invalidTaskState, .segmentNotPresent, .stackFault, .generalProtection, .pageFault,
            .alignmentCheck:
            true
        default: false
        }
    }
}
