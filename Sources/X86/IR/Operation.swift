/// What a micro-operation does.
///
/// Notation: `w` is the operation's width in bits; `d`, `a`, `b` its slots; `imm` its immediate field; `[x]w` the low `w` bits
/// of slot `x`; `slot(imm)` the slot whose number is in the immediate field. A slot `b` equal to `Slot.immediate` reads as
/// `imm` (only in operations that do not use `imm` for something else). Every result is written zero-extended
/// to 64 bits unless stated otherwise. No operation has a hidden input or output: flags are ordinary slots.
package enum Operation: UInt8, Sendable, CaseIterable {
    // Data movement

    /// d = zero-extend [a]w. Width 128: (d, d+1) = (a, a+1).
    case move
    /// d = sign-extend [a]w to `imm` bits (16, 32 or 64), zero-extended above.
    case signExtend
    /// d = (a >> (imm & 63)) & mask(w).
    case extract
    /// d = 64-bit value of a, with bits [imm, imm + w) replaced by [b]w.
    case insert
    /// d = slot(imm) != 0 ? [a]w : [b]w; the condition slot holds 0 or 1.
    case select

    // Integer arithmetic, all modulo 2^w

    /// d = [a]w + [b]w.
    case add
    /// d = [a]w - [b]w.
    case subtract
    /// d = a + (b << imm) modulo 2^64: address arithmetic, imm is 0-3.
    case scaledAdd
    /// d = low w bits of [a]w * [b]w.
    case multiply
    /// d = bits [w, 2w) of the unsigned product.
    case multiplyHighUnsigned
    /// d = bits [w, 2w) of the signed product.
    case multiplyHighSigned
    /// d = quotient of the 2w-bit unsigned dividend [slot(imm)]w : [a]w (high : low) by [b]w.
    /// Raises #DE when the divisor is 0 or the quotient does not fit into w bits.
    case divideUnsigned
    /// d = remainder of the same division; raises #DE as `divideUnsigned` does.
    case remainderUnsigned
    /// d = signed quotient, truncated towards zero, of the 2w-bit dividend; raises #DE alike.
    case divideSigned
    /// d = signed remainder (sign of the dividend); raises #DE alike.
    case remainderSigned
    /// d = 0 - [a]w.
    case negate

    // Bitwise

    /// d = [a & b]w.
    case and
    /// d = [a | b]w.
    case or
    /// d = [a ^ b]w.
    case xor
    /// d = [~a]w.
    case not
    /// d = [a]w << b. The count is the whole 64-bit value; a count >= w gives 0.
    case shiftLeft
    /// d = [a]w >> b, zeros come in; a count >= w gives 0.
    case shiftRight
    /// d = [a]w >> b, the sign comes in; a count >= w gives all sign bits.
    case shiftRightArithmetic
    /// d = [a]w rotated left by b modulo w.
    case rotateLeft
    /// d = [a]w rotated right by b modulo w.
    case rotateRight

    // Comparison of [a]w with [b]w; d is 0 or 1

    case equal
    case notEqual
    case lessUnsigned
    case lessOrEqualUnsigned
    case lessSigned
    case lessOrEqualSigned

    // Flags; d is 0 or 1. `r` is slot(imm), the result of the arithmetic

    /// d = bit w-1 of a.
    case sign
    /// d = 1 when the low 8 bits of a have an even number of ones.
    case parity
    /// d = bit 4 of a ^ b ^ r.
    case auxiliaryCarry
    /// d = bit w-1 of (a & b) | ((a | b) & ~r): carry out of an addition with carry in.
    case carryAdd
    /// d = bit w-1 of (~a & b) | ((~a | b) & r): borrow out of a subtraction with borrow in.
    case carrySubtract
    /// d = bit w-1 of (a ^ r) & (b ^ r): signed overflow of an addition.
    case overflowAdd
    /// d = bit w-1 of (a ^ b) & (a ^ r): signed overflow of a subtraction.
    case overflowSubtract

    // Bit counting and shuffling

    /// d = number of leading zeros of [a]w; w when it is zero.
    case countLeadingZeros
    /// d = number of trailing zeros of [a]w; w when it is zero.
    case countTrailingZeros
    /// d = number of ones in [a]w.
    case populationCount
    /// d = [a]w with its bytes reversed (w = 16, 32, 64).
    case byteSwap
    /// d = PDEP: bits of a put where the mask [b]w has ones.
    case depositBits
    /// d = PEXT: bits of a taken where the mask [b]w has ones.
    case extractBits
    /// d = CRC-32C of accumulator [a]32 over the w/8 bytes of [b]w.
    case crc32

    // Lanes: a, b and d are whole 64-bit slots seen as 64/w lanes of w bits

    case laneAdd
    case laneSubtract
    /// Saturating additions and subtractions (w = 8, 16).
    case laneAddSaturateUnsigned
    case laneAddSaturateSigned
    case laneSubtractSaturateUnsigned
    case laneSubtractSaturateSigned
    /// Low w bits of each product (w = 16, 32).
    case laneMultiply
    /// High w bits of each signed / unsigned product (w = 16).
    case laneMultiplyHighSigned
    case laneMultiplyHighUnsigned
    /// All ones where the lanes are equal, else zero.
    case laneEqual
    /// All ones where the lane of a is greater than that of b (signed), else zero.
    case laneGreaterSigned
    case laneMinimumUnsigned
    case laneMaximumUnsigned
    case laneMinimumSigned
    case laneMaximumSigned
    /// Rounded unsigned average (a + b + 1) >> 1 (w = 8, 16).
    case laneAverage
    /// Every lane of a shifted by the same count b (whole 64-bit value; >= w gives 0 or all sign bits).
    case laneShiftLeft
    case laneShiftRight
    case laneShiftRightArithmetic
    /// d = the sign bit of each lane of a, lane 0 in bit 0.
    case laneSigns
    /// d = lanes of the low 32 bits of a and b in turn: a0 b0 a1 b1 ...
    case interleaveLow
    /// The same for the high 32 bits.
    case interleaveHigh
    /// d = lanes of w bits narrowed to w/2 with signed saturation: those of a in the low half, of b in the high (w = 16, 32).
    case packSigned
    /// The same with unsigned saturation of signed lanes.
    case packUnsigned
    /// d = PMADDWD on one half: 16-bit signed products, neighbours added to 32-bit lanes.
    case laneMultiplyAdd
    /// d = PSADBW on one half: sum of absolute differences of the eight bytes.
    case sumAbsoluteDifferences
    /// d = byte i of the 16-byte value (slot(imm), a) selected by bits 0-3 of byte i of b, or 0 when bit 7 is set
    /// (PSHUFB on one half; slot(imm) is the low and a the high source half).
    case shuffleBytes

    // Guest memory, virtual addresses of the current mode and privilege; may fault

    /// d = w bits at virtual address a + imm, zero-extended. Width 128: (d, d+1).
    case load
    /// w bits of b to virtual address a + imm. Width 128: (b, b+1). All bytes are written or none.
    case store
    /// Raises #GP(0) unless the address a + imm is a multiple of w. Here w is a number of bytes, a power of two. No result.
    case requireAligned
    /// As `load`, for an operand that the same instruction stores to afterwards: faults as a write would.
    case loadForStore

    // Helpers

    /// A concrete helper of the machine (`imm` bits 0-15: `Helper`, 16-31: detail, 32-63: argument); see `Helper.effects`.
    /// May fault when its effects say so.
    case helper

    // Control. The last operation of a block is always one of these except `branch`

    /// When a is 1: leave the block and go on at `imm`. When a is 0: next operation. Only in the last instruction of a block.
    case branch
    /// Leave the block and go on at `imm`.
    case jump
    /// Leave the block and go on at the address in a.
    case jumpIndirect
    /// Raise exception vector `imm` bits 0-7 (bit 8: has an error code, bits 32-63: the code; bit 9: software interrupt, that is
    /// a trap whose saved RIP is the next instruction; bit 10: without a check of the gate's privilege level). The instruction does not
    /// retire, traps excepted.
    case raise
    /// Stemma's hypercall number `imm`; RIP is already behind the instruction, which counts as retired.
    case hypercall
    /// S2E's 0F 3F form with its eight payload bytes in `imm`; RIP is already behind it.
    case s2eOpcode
    /// The block ends before an instruction that is not lifted; RIP points to it.
    case unsupported
    /// HLT: the instruction has retired, RIP is behind it.
    case halt

    // Fused forms. Never lifted: an interpreter puts each in place of several neighbours. Of those it keeps the ones that the form needs,
    // behind it

    /// CF AF OF PF ZF SF of d = [a]w + [b]w, in any order: six operations.
    case flagsOfSum
    /// The same of d = [a]w - [b]w.
    case flagsOfDifference
    /// PF ZF SF of [d]w: three operations.
    case flagsOfResult
    /// A comparison of [a]w with [b]w whose result only the branch behind it uses: two operations.
    case branchEqual
    case branchNotEqual
    case branchLessUnsigned
    case branchLessOrEqualUnsigned
    case branchLessSigned
    case branchLessOrEqualSigned
    /// An operation on one word of a vector and the same on the next word: `a`, `b` (the same slot for counts of shifts) and `d` of the
    /// second are the slots behind those of the first. Which operation is seen at the second: two operations.
    case pair
    /// d = b | signs << imm, where the signs are those of the w-bit lanes of a (`laneSigns`): three operations.
    case laneSignsAbove
    /// d = [a]w + [b]w with its six flags: seven operations.
    case sumWithFlags
    /// d = [a]w - [b]w with its six flags: seven operations.
    case differenceWithFlags
    /// d = [a]w - imm; the destination of the next operation = imm; the six flags of the difference: eight operations.
    case constantDifferenceWithFlags
    /// CF, AF and OF = 0, PF ZF SF of [d]w: six operations.
    case flagsOfLogic
    /// d = [a & b]w with the flags of `flagsOfLogic`: seven operations.
    case andWithFlags
    /// As `differenceWithFlags` and `andWithFlags`, and the end of the block: a branch, whose `width` is the `Condition` on these flags, and a
    /// jump.
    case branchOnDifference
    case branchOnAnd
    /// PUSH in 64-bit mode. 64 bits of b to virtual address a + imm; then a = a + imm: a store and a sum.
    case push
    /// POP in 64-bit mode. d = 64 bits at virtual address a; then a = a + imm: a load and a sum.
    case pop
    /// RET in 64-bit mode. As `pop`, then the block is left at d: a load, a sum and `jumpIndirect`.
    case popAndJump
    /// CALL in 64-bit mode: imm is pushed (the `imm` of the next operation is what a `push` adds), then comes a jump of either kind: a move, a
    /// store, a sum.
    case pushConstant
    /// The first two operations of a block with a `Block.repetition`: a branch when RCX is 0, after as many iterations as can be done at
    /// once.
    case beginRepetition
}

extension Operation {
    /// True for operations that can leave the block with an exception (before any guest-visible write of their instruction).
    package var mayFault: Bool {
        switch self {
        case .load, .store, .loadForStore, .requireAligned, .divideUnsigned, .divideSigned, .remainderUnsigned,
            .remainderSigned,
            .raise:
            true
        default: false
        }
    }

    /// True for operations after which a block never goes on.
    package var isTerminator: Bool {
        switch self {
        case .jump, .jumpIndirect, .raise, .hypercall, .s2eOpcode, .unsupported, .halt: true
        default: false
        }
    }

    /// True when the immediate field holds a slot number.
    package var immediateIsSlot: Bool {
        switch self {
        case .select, .divideUnsigned, .divideSigned, .remainderUnsigned, .remainderSigned, .auxiliaryCarry,
            .carryAdd, .carrySubtract, .overflowAdd, .overflowSubtract, .shuffleBytes:
            true
        default: false
        }
    }
}
