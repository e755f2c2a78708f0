import X86

// Of the pointer: what is asked of `pointee` is given a copy of the whole state
extension UnsafeMutablePointer<SystemState> {
    /// CR0.PE is clear: real-address mode.
    @inline(__always)
    var isReal: Bool { pointee.cr0 & CR0.protectionEnable == 0 }

    /// The page-table root is in use: CR0.PG.
    @inline(__always)
    var isPaging: Bool { pointee.cr0 & CR0.paging != 0 }

    /// Long mode is active: 64-bit or compatibility mode.
    @inline(__always)
    var isLongMode: Bool { pointee.efer & EFER.longModeActive != 0 }

    /// 64-bit mode: long mode is active and CS.L is set.
    @inline(__always)
    package var isLongCode: Bool { isLongMode && pointee.segments[1].isLong }

    /// Width of the stack pointer in bits.
    @inline(__always)
    var stackWidth: Int { isLongCode ? 64 : pointee.segments[2].isBig ? 32 : 16 }

    /// ES, CS, SS and DS need neither base nor check: from 0 to 4 GiB, data writable, code readable.
    var isFlat: Bool {
        guard !isReal else { return false }
        for index in [0, 2, 3] {
            // Present, code or data, data, expand-up, writable.
            guard pointee.segments[index].base == 0, pointee.segments[index].limit == 0xFFFF_FFFF,
                pointee.segments[index].attributes & 0x9E00 == 0x9200
            else { return false }
        }
        return pointee.segments[1].base == 0 && pointee.segments[1].limit == 0xFFFF_FFFF
            && pointee.segments[1].attributes & 0x9A00 == 0x9A00
    }
}

extension Processor {
    /// Adds to a lift context what the mode and the segments say.
    func addMode(to context: inout LiftContext) {
        guard !system.isLongCode else { return }
        context.mode = system.pointee.segments[1].isBig ? .code32 : .code16
        context.isReal = system.isReal
        context.isCompatibility = system.isLongMode
        context.hasWideStack = system.pointee.segments[2].isBig
        context.isFlat = system.isFlat
    }

    /// Must follow every change of a segment register, of CR0.PE or of EFER.LMA: blocks found by address belong to one mode.
    func modeChanged() {
        if system.isLongCode != (system.pointee.modeKey == 0) { leaveEngine() }
        if system.isLongCode {
            system.pointee.modeKey = 0
            return
        }
        // No canonical address: the keys of 64-bit code stay apart.
        system.pointee.modeKey = 0x3C3C_0000_0000_0000
        var context = LiftContext()
        addMode(to: &context)
        let token = context.modeBits | (self[.csBase] & 0xFFFF_FFFF) << 32
        if token != system.pointee.modeToken {
            system.pointee.modeToken = token
            tlb.flushJumps()
        }
    }

    /// Blocks end before the next one, and the run loop chooses anew how to go on: in machine code, which is there for 64-bit code only,
    /// interpreted, or instruction by instruction.
    func leaveEngine() {
        guard system.pointee.heldStop == nil else { return }
        system.pointee.heldStop = system.pointee.stop
        system.pointee.stop = 0
    }

    /// Linear address of an instruction pointer.
    func codeAddress(_ rip: UInt64) -> UInt64 {
        system.isLongCode ? rip : (rip &+ self[.csBase]) & 0xFFFF_FFFF
    }
}
