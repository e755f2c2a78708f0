import X86

// The x87 instructions of kernels and start-up code. Everything else is reported as unsupported
extension Machine {
    /// `code`: opcode byte in bits 8-15, ModRM in bits 0-7.
    func x87Register(_ code: Int) throws(AccessFailure) {
        let system = processor.system
        switch code {
        case 0xDBE3:
            system.pointee.controlWord = 0x37F
            system.pointee.statusWord = 0
            system.pointee.emptyTags = 0xFF
            system.pointee.lastOpcode = 0
            system.pointee.lastInstruction = 0
            system.pointee.lastData = 0
        case 0xDBE2: system.pointee.statusWord &= 0x7F00
        case 0xDFE0: processor[.rax] = processor[.rax] & ~0xFFFF | UInt64(system.pointee.statusWord)
        default:
            switch code >> 8 {
            case 0x9B: break
            case 0x77: system.pointee.emptyTags = 0xFF
            case 0xDD where code & 0xF8 == 0xC0:
                let top = Int(system.pointee.statusWord >> 11) & 7
                system.pointee.emptyTags |= 1 << UInt8((top + code & 7) & 7)
            default: throw unsupported()
            }
        }
    }

    func x87Memory(_ code: Int, address: UInt64) throws(AccessFailure) {
        let system = processor.system
        let extensionBits = (code >> 3) & 7
        switch (code >> 8, extensionBits) {
        case (0xD9, 5):
            system.pointee.controlWord = UInt16(truncatingIfNeeded: try load(address, byteCount: 2).low)
        case (0xD9, 7): try store(address, byteCount: 2, low: UInt64(system.pointee.controlWord))
        case (0xDD, 7): try store(address, byteCount: 2, low: UInt64(system.pointee.statusWord))
        default: throw unsupported()
        }
    }
}
