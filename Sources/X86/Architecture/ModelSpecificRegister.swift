/// Numbers of the model-specific registers that the engine knows (Intel SDM volume 4, AMD APM volume 2, KVM documentation).
package enum MSR {
    package static let timeStampCounter: UInt32 = 0x10
    package static let apicBase: UInt32 = 0x1B
    package static let featureControl: UInt32 = 0x3A
    package static let timeStampAdjust: UInt32 = 0x3B
    package static let biosSignature: UInt32 = 0x8B
    package static let mtrrCapabilities: UInt32 = 0xFE
    package static let sysenterCS: UInt32 = 0x174
    package static let sysenterESP: UInt32 = 0x175
    package static let sysenterEIP: UInt32 = 0x176
    package static let machineCheckCapabilities: UInt32 = 0x179
    package static let machineCheckStatus: UInt32 = 0x17A
    package static let machineCheckControl: UInt32 = 0x17B
    package static let miscEnable: UInt32 = 0x1A0
    package static let debugControl: UInt32 = 0x1D9
    package static let pat: UInt32 = 0x277
    package static let mtrrDefaultType: UInt32 = 0x2FF
    package static let timeStampDeadline: UInt32 = 0x6E0
    package static let x2APICFirst: UInt32 = 0x800
    package static let x2APICLast: UInt32 = 0x8FF
    package static let efer: UInt32 = 0xC000_0080
    package static let star: UInt32 = 0xC000_0081
    package static let lstar: UInt32 = 0xC000_0082
    package static let cstar: UInt32 = 0xC000_0083
    package static let syscallMask: UInt32 = 0xC000_0084
    package static let fsBase: UInt32 = 0xC000_0100
    package static let gsBase: UInt32 = 0xC000_0101
    package static let kernelGSBase: UInt32 = 0xC000_0102
    package static let timeStampAux: UInt32 = 0xC000_0103
    package static let virtualMachineCR: UInt32 = 0xC001_0114
}
