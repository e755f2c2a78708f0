import X86

extension Machine {
    /// Executes blocks from RIP on until `SystemState.stop` instructions have retired or something fails; nil after a single block.
    ///
    /// Invariants of the unsafe code: block operations come from the lifter, which uses slots below `Slot.count` only and ends each
    /// block with a terminator; cached blocks stay alive in `blocks` until `makeRoom`, after which the jump cache is empty; TLB host
    /// addresses are valid because every replacement of a page's bytes drops them (`writableBytes`).
    func execute(_ single: CachedBlock?) -> AccessFailure? {
        let processor = processor
        let slots = processor.slots
        let system = processor.system
        let allEntries = processor.tlb.entries
        let jumps = processor.tlb.jumps
        processor.tlb.beginUse()
        let (prevention, alignmentCheck) = (CR4.supervisorAccessPrevention, RFlags.alignmentCheck)
        var isFirst = true
        // Who executes, which only helpers change.
        var (isModeKnown, modeBits) = (false, UInt64(0))
        var entries = allEntries
        var rip = slots[16]

        machine: while true {
            if single != nil, !isFirst { return nil }
            isFirst = false
            if !isModeKnown {
                let set = Self.translationSet(of: system, prevention, alignmentCheck)
                entries = allEntries + set * TLB.setCount
                modeBits = TLB.key(0, set) ^ system.pointee.modeKey
                isModeKnown = true
            }
            if system.pointee.retired >= system.pointee.stop { return .exit(.budget) }

            // Next block: by virtual address and privilege, else by content.
            let key = rip ^ modeBits
            let jump = jumps + TLB.jumpIndex(rip)
            let code: TLB.JumpEntry
            if jump.pointee.key == key, jump.pointee.operations != nil, single == nil {
                code = jump.pointee
            } else if let single {
                code = TLB.JumpEntry(key: key, single, operations: single.operations)
            } else {
                makeRoomForBlocks()
                do throws(AccessFailure) {
                    let block = try block(at: rip)
                    code = TLB.JumpEntry(key: key, block, operations: block.operations)
                } catch {
                    return error
                }
                processor.tlb.enter(code, at: rip)
            }
            guard let first = code.operations else {
                // Only an address that is not canonical has the key of empty entries.
                do throws(AccessFailure) { _ = try block(at: rip) } catch { return error }
                return .exit(.unsupported(rip: rip, bytes: []))
            }
            var op = UnsafePointer(first)

            block: while true {
                let immediate = op.pointee.immediate
                slots[31] = immediate
                let a = slots[Int(op.pointee.a.rawValue)]
                let b = slots[Int(op.pointee.b.rawValue)]
                let width = UInt64(op.pointee.width)
                let shift = 64 &- width
                let mask = ~UInt64(0) &>> shift
                let destination = slots + Int(op.pointee.destination.rawValue)
                switch op.pointee.operation {
                case .move:
                    if width == 128 {
                        let high = slots[Int(op.pointee.a.rawValue) &+ 1]
                        destination[0] = a
                        destination[1] = high
                    } else {
                        destination.pointee = a & mask
                    }
                case .signExtend:
                    let value = UInt64(bitPattern: Int64(bitPattern: a << shift) >> Int64(shift))
                    destination.pointee = value & (~0 &>> (64 &- immediate))
                case .extract: destination.pointee = (a &>> immediate) & mask
                case .insert:
                    destination.pointee = a & ~(mask &<< immediate) | (b & mask) &<< immediate
                case .select: destination.pointee = (slots[Int(immediate)] != 0 ? a : b) & mask
                case .add: destination.pointee = (a &+ b) & mask
                case .subtract: destination.pointee = (a &- b) & mask
                case .scaledAdd: destination.pointee = a &+ (b &<< immediate)
                case .multiply: destination.pointee = (a &* b) & mask
                case .negate: destination.pointee = (0 &- a) & mask
                case .and: destination.pointee = a & b & mask
                case .or: destination.pointee = (a | b) & mask
                case .xor: destination.pointee = (a ^ b) & mask
                case .not: destination.pointee = ~a & mask
                case .shiftLeft: destination.pointee = (b >= width ? 0 : a &<< b) & mask
                case .shiftRight: destination.pointee = b >= width ? 0 : (a & mask) &>> b
                case .shiftRightArithmetic:
                    let value = Int64(bitPattern: a << shift) >> Int64(shift)
                    destination.pointee = UInt64(bitPattern: value &>> Int64(min(b, 63))) & mask
                case .equal: destination.pointee = (a ^ b) & mask == 0 ? 1 : 0
                case .notEqual: destination.pointee = (a ^ b) & mask != 0 ? 1 : 0
                case .lessUnsigned: destination.pointee = a & mask < b & mask ? 1 : 0
                case .lessOrEqualUnsigned: destination.pointee = a & mask <= b & mask ? 1 : 0
                case .lessSigned:
                    destination.pointee = Int64(bitPattern: a << shift) < Int64(bitPattern: b << shift) ? 1 : 0
                case .lessOrEqualSigned:
                    destination.pointee = Int64(bitPattern: a << shift) <= Int64(bitPattern: b << shift) ? 1 : 0
                case .sign: destination.pointee = (a &>> (width &- 1)) & 1
                case .parity: destination.pointee = Self.evenParity(a)
                case .auxiliaryCarry: destination.pointee = ((a ^ b ^ slots[Int(immediate)]) >> 4) & 1
                case .carryAdd:
                    let r = slots[Int(immediate)]
                    destination.pointee = (((a & b) | ((a | b) & ~r)) &>> (width &- 1)) & 1
                case .carrySubtract:
                    let r = slots[Int(immediate)]
                    destination.pointee = (((~a & b) | ((~a | b) & r)) &>> (width &- 1)) & 1
                case .overflowAdd:
                    let r = slots[Int(immediate)]
                    destination.pointee = (((a ^ r) & (b ^ r)) &>> (width &- 1)) & 1
                case .overflowSubtract:
                    let r = slots[Int(immediate)]
                    destination.pointee = (((a ^ b) & (a ^ r)) &>> (width &- 1)) & 1

                case .load:
                    let address = a &+ immediate
                    if let place = Self.place(entries, address, width, isWrite: false) {
                        Self.load(place, width, to: destination)
                    } else if let failure = loadMissed(address, width, to: destination) {
                        return unwind(code, op, failure)
                    }
                case .loadForStore:
                    let address = a &+ immediate
                    if let place = Self.place(entries, address, width, isWrite: true) {
                        Self.load(place, width, to: destination)
                    } else if let failure = loadMissed(address, width, to: destination, forStore: true) {
                        return unwind(code, op, failure)
                    }
                case .store:
                    let address = a &+ immediate
                    let source = slots + Int(op.pointee.b.rawValue)
                    if let place = Self.place(entries, address, width, isWrite: true) {
                        Self.store(place, width, source, b)
                    } else if let failure = storeMissed(
                        address, width, b, source, inside: single == nil ? code.block : nil)
                    {
                        return unwind(code, op, failure)
                    }
                case .push:
                    let address = a &+ immediate
                    if let place = Self.place(entries, address, 64, isWrite: true) {
                        place.storeBytes(of: b, as: UInt64.self)
                    } else if let failure = storeMissed(address, 64, b, slots, inside: single == nil ? code.block : nil)
                    {
                        return unwind(code, op, failure)
                    }
                    slots[Int(op.pointee.a.rawValue)] = address
                case .pop:
                    if let place = Self.place(entries, a, 64, isWrite: false) {
                        destination.pointee = place.loadUnaligned(as: UInt64.self)
                    } else if let failure = loadMissed(a, 64, to: destination) {
                        return unwind(code, op, failure)
                    }
                    slots[Int(op.pointee.a.rawValue)] = a &+ immediate
                case .popAndJump:
                    if let place = Self.place(entries, a, 64, isWrite: false) {
                        rip = place.loadUnaligned(as: UInt64.self)
                    } else if let failure = loadMissed(a, 64, to: slots + 31) {
                        return unwind(code, op, failure)
                    } else {
                        rip = slots[31]
                    }
                    slots[Int(op.pointee.a.rawValue)] = a &+ immediate
                    break block
                case .pushConstant:
                    let address = a &+ op[1].immediate
                    if let place = Self.place(entries, address, 64, isWrite: true) {
                        place.storeBytes(of: immediate, as: UInt64.self)
                    } else if let failure = storeMissed(
                        address, 64, immediate, slots, inside: single == nil ? code.block : nil)
                    {
                        return unwind(code, op, failure)
                    }
                    slots[Int(op.pointee.a.rawValue)] = address
                    op += 2
                    if case .jump = op.pointee.operation {
                        rip = op.pointee.immediate
                        break block
                    }
                    continue block

                case .requireAligned:
                    if (a &+ immediate) & (width &- 1) != 0 {
                        return unwind(code, op, .exception(.generalProtection))
                    }

                case .flagsOfSum:
                    Self.setFlagsOfSum(slots, a, b, destination.pointee, mask: mask, top: width &- 1)
                case .flagsOfDifference:
                    Self.setFlagsOfDifference(slots, a, b, destination.pointee, mask: mask, top: width &- 1)
                case .sumWithFlags:
                    let sum = (a &+ b) & mask
                    destination.pointee = sum
                    Self.setFlagsOfSum(slots, a, b, sum, mask: mask, top: width &- 1)
                case .differenceWithFlags:
                    let difference = (a &- b) & mask
                    destination.pointee = difference
                    Self.setFlagsOfDifference(slots, a, b, difference, mask: mask, top: width &- 1)
                case .constantDifferenceWithFlags:
                    slots[Int(op[1].destination.rawValue)] = immediate
                    let difference = (a &- b) & mask
                    destination.pointee = difference
                    Self.setFlagsOfDifference(slots, a, b, difference, mask: mask, top: width &- 1)
                    op += 1
                case .flagsOfLogic: Self.setFlagsOfLogic(slots, destination.pointee, mask: mask, top: width &- 1)
                case .andWithFlags:
                    let result = a & b & mask
                    destination.pointee = result
                    Self.setFlagsOfLogic(slots, result, mask: mask, top: width &- 1)
                case .branchOnDifference:
                    let difference = (a &- b) & mask
                    destination.pointee = difference
                    Self.setFlagsOfDifference(slots, a, b, difference, mask: mask, top: width &- 1)
                    op += 1
                    if Self.leaves(op, Condition.holds(UInt64(op.pointee.width), slots), slots, &rip) { break block }
                case .branchOnAnd:
                    let result = a & b & mask
                    destination.pointee = result
                    Self.setFlagsOfLogic(slots, result, mask: mask, top: width &- 1)
                    op += 1
                    if Self.leaves(op, Condition.holds(UInt64(op.pointee.width), slots), slots, &rip) { break block }
                case .flagsOfResult: Self.setFlagsOfResult(slots, destination.pointee, mask: mask, top: width &- 1)

                case .pair:
                    LaneArithmetic.executePair(
                        op[1].operation, op.pointee.width, slots + Int(op.pointee.a.rawValue),
                        slots + Int(op.pointee.b.rawValue), destination)
                    op += 1
                case .laneSigns: destination.pointee = LaneArithmetic.signs(a, width)
                case .laneSignsAbove:
                    destination.pointee = b | LaneArithmetic.signs(a, width) &<< immediate

                case .beginRepetition:
                    op += 1
                    if single == nil, let repetition = code.repetition {
                        repeatString(repetition)
                        if system.pointee.retired >= system.pointee.stop { return .exit(.budget) }
                    }
                    if slots[1] == 0 {
                        rip = op.pointee.immediate
                        break block
                    }

                case .branchEqual:
                    op += 1
                    if Self.leaves(op, (a ^ b) & mask == 0, slots, &rip) { break block }
                case .branchNotEqual:
                    op += 1
                    if Self.leaves(op, (a ^ b) & mask != 0, slots, &rip) { break block }
                case .branchLessUnsigned:
                    op += 1
                    if Self.leaves(op, a & mask < b & mask, slots, &rip) { break block }
                case .branchLessOrEqualUnsigned:
                    op += 1
                    if Self.leaves(op, a & mask <= b & mask, slots, &rip) { break block }
                case .branchLessSigned:
                    op += 1
                    if Self.leaves(op, Int64(bitPattern: a << shift) < Int64(bitPattern: b << shift), slots, &rip) {
                        break block
                    }
                case .branchLessOrEqualSigned:
                    op += 1
                    if Self.leaves(op, Int64(bitPattern: a << shift) <= Int64(bitPattern: b << shift), slots, &rip) {
                        break block
                    }

                case .branch:
                    if a & 1 != 0 {
                        rip = immediate
                        break block
                    }
                case .jump:
                    rip = immediate
                    break block
                case .jumpIndirect:
                    rip = a
                    break block

                case .helper:
                    isModeKnown = false
                    if let failure = executeHelper(op.pointee) {
                        return unwind(code, op, failure)
                    }
                case .raise:
                    return unwind(code, op, .exception(GuestException(raising: immediate)))
                case .hypercall, .s2eOpcode, .halt, .unsupported: return .exit(finish(code, op.pointee))

                default:
                    if !Self.executeSeldom(op.pointee, slots) {
                        return unwind(code, op, .exception(GuestException(.divideError)))
                    }
                }
                op += 1
            }
            slots[16] = rip
            system.pointee.retired &+= UInt64(code.instructionCount)
        }
    }

    /// Drops blocks when they have become too many. Between two blocks only.
    @inline(__always)
    func makeRoomForBlocks() {
        blocks.makeRoom()
        processor.tlb.forgetDroppedBlocks()
    }
}
