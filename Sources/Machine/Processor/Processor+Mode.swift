import X86

// Always in line: a call would be given a copy of the whole state
extension SystemState {
    /// CR0.PE is clear: real-address mode.
    @inline(__always)
    var isReal: Bool { cr0 & CR0.protectionEnable == 0 }

    /// Long mode is active: 64-bit or compatibility mode.
    @inline(__always)
    var isLongMode: Bool { efer & EFER.longModeActive != 0 }

    /// Width of the stack pointer in bits.
    @inline(__always)
    var stackWidth: Int { isLongCode ? 64 : segments[2].isBig ? 32 : 16 }

    /// ES, CS, SS and DS need neither base nor check: from 0 to 4 GiB, data writable, code readable.
    @inline(__always)
    var isFlat: Bool {
        guard !isReal else { return false }
        for index in [0, 2, 3] {
            // Present, code or data, data, expand-up, writable.
            guard segments[index].base == 0, segments[index].limit == 0xFFFF_FFFF,
                segments[index].attributes & 0x9E00 == 0x9200
            else { return false }
        }
        return segments[1].base == 0 && segments[1].limit == 0xFFFF_FFFF && segments[1].attributes & 0x9A00 == 0x9A00
    }
}

extension Processor {
    /// Adds to a lift context what the mode and the segments say.
    func addMode(to context: inout LiftContext) {
        guard !system.pointee.isLongCode else { return }
        context.mode = system.pointee.segments[1].isBig ? .code32 : .code16
        context.isReal = system.pointee.isReal
        context.isCompatibility = system.pointee.isLongMode
        context.hasWideStack = system.pointee.segments[2].isBig
        context.isFlat = system.pointee.isFlat
    }

    /// Must follow every change of a segment register, of CR0.PE or of EFER.LMA: blocks found by address belong to one mode.
    func modeChanged() {
        if system.pointee.isLongCode != (system.pointee.modeKey == 0) { leaveEngine() }
        if system.pointee.isLongCode {
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
        system.pointee.isLongCode ? rip : (rip &+ self[.csBase]) & 0xFFFF_FFFF
    }
}
