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

        machine: while true {
            if single != nil, !isFirst { return nil }
            isFirst = false
            if system.pointee.retired >= system.pointee.stop { return .exit(.budget) }

            // Next block: by virtual address and privilege, else by content.
            let rip = slots[16]
            let set = Self.translationSet(of: system, prevention, alignmentCheck)
            let key = TLB.key(rip, set) ^ system.pointee.modeKey
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
            let entries = allEntries + set * TLB.setCount
            let stopped: AccessFailure

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

                case .load, .loadForStore:
                    let address = a &+ immediate
                    let entry = entries + Int((address >> 12) & UInt64(TLB.setCount - 1))
                    let bytes = width >> 3
                    // Not by ==, which is a call to the enumeration's module.
                    let isForStore = if case .loadForStore = op.pointee.operation { true } else { false }
                    let tag = isForStore ? entry.pointee.write : entry.pointee.read
                    if tag == address & ~4095, address & 4095 <= 4096 &- bytes,
                        let page = entry.pointee.host
                    {
                        Self.load(page + Int(address & 4095), width, to: destination)
                    } else {
                        do throws(AccessFailure) {
                            let value = try loadSlowly(address, byteCount: Int(bytes), forStore: isForStore)
                            destination[0] = value.low
                            if width == 128 { destination[1] = value.high }
                        } catch {
                            stopped = error
                            break block
                        }
                    }

                case .store:
                    let address = a &+ immediate
                    let entry = entries + Int((address >> 12) & UInt64(TLB.setCount - 1))
                    let bytes = width >> 3
                    if entry.pointee.write == address & ~4095, address & 4095 <= 4096 &- bytes,
                        let page = entry.pointee.host
                    {
                        Self.store(page + Int(address & 4095), width, slots + Int(op.pointee.b.rawValue), b)
                    } else {
                        let high = width == 128 ? slots[Int(op.pointee.b.rawValue) &+ 1] : 0
                        do throws(AccessFailure) {
                            try storeSlowly(
                                address, byteCount: Int(bytes), low: b, high: high,
                                inside: single == nil ? code.block?.takeUnretainedValue() : nil)
                        } catch {
                            stopped = error
                            break block
                        }
                    }

                case .requireAligned:
                    if (a &+ immediate) & (width &- 1) != 0 {
                        stopped = .exception(.generalProtection)
                        break block
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
                case .flagsOfLogic:
                    let r = destination.pointee
                    slots[17] = 0
                    slots[18] = Self.evenParity(r)
                    slots[19] = 0
                    slots[20] = r & mask == 0 ? 1 : 0
                    slots[21] = (r &>> (width &- 1)) & 1
                    slots[23] = 0
                case .flagsOfResult:
                    let r = destination.pointee
                    slots[18] = Self.evenParity(r)
                    slots[20] = r & mask == 0 ? 1 : 0
                    slots[21] = (r &>> (width &- 1)) & 1

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
                        slots[16] = op.pointee.immediate
                        system.pointee.retired &+= UInt64(code.instructionCount)
                        continue machine
                    }

                case .branchEqual:
                    op += 1
                    if let target = Self.target(op, (a ^ b) & mask == 0) {
                        slots[16] = target
                        system.pointee.retired &+= UInt64(code.instructionCount)
                        continue machine
                    }
                case .branchNotEqual:
                    op += 1
                    if let target = Self.target(op, (a ^ b) & mask != 0) {
                        slots[16] = target
                        system.pointee.retired &+= UInt64(code.instructionCount)
                        continue machine
                    }
                case .branchLessUnsigned:
                    op += 1
                    if let target = Self.target(op, a & mask < b & mask) {
                        slots[16] = target
                        system.pointee.retired &+= UInt64(code.instructionCount)
                        continue machine
                    }
                case .branchLessOrEqualUnsigned:
                    op += 1
                    if let target = Self.target(op, a & mask <= b & mask) {
                        slots[16] = target
                        system.pointee.retired &+= UInt64(code.instructionCount)
                        continue machine
                    }
                case .branchLessSigned:
                    op += 1
                    if let target = Self.target(op, Int64(bitPattern: a << shift) < Int64(bitPattern: b << shift)) {
                        slots[16] = target
                        system.pointee.retired &+= UInt64(code.instructionCount)
                        continue machine
                    }
                case .branchLessOrEqualSigned:
                    op += 1
                    if let target = Self.target(op, Int64(bitPattern: a << shift) <= Int64(bitPattern: b << shift)) {
                        slots[16] = target
                        system.pointee.retired &+= UInt64(code.instructionCount)
                        continue machine
                    }

                case .branch:
                    if a & 1 != 0 {
                        slots[16] = immediate
                        system.pointee.retired &+= UInt64(code.instructionCount)
                        continue machine
                    }
                case .jump:
                    slots[16] = immediate
                    system.pointee.retired &+= UInt64(code.instructionCount)
                    continue machine
                case .jumpIndirect:
                    slots[16] = a
                    system.pointee.retired &+= UInt64(code.instructionCount)
                    continue machine

                case .helper:
                    if let failure = executeHelper(op.pointee) {
                        stopped = failure
                        break block
                    }
                case .raise:
                    stopped = .exception(GuestException(raising: immediate))
                    break block
                case .hypercall, .s2eOpcode, .halt:
                    system.pointee.retired &+= UInt64(code.instructionCount)
                    slots[16] = code.nextRIP
                    return .exit(leave(op.pointee))
                case .unsupported:
                    // Instructions before it have retired.
                    system.pointee.retired &+= UInt64(code.instructionCount)
                    slots[16] = code.nextRIP
                    return .exit(.unsupported(rip: code.nextRIP, bytes: code.unsupportedBytes))

                default:
                    if !Self.executeSeldom(op.pointee, slots) {
                        stopped = .exception(GuestException(.divideError))
                        break block
                    }
                }
                op += 1
            }
            guard let block = code.block?.takeUnretainedValue() else { return stopped }
            return unwind(block.block, at: block.origin(of: op - UnsafePointer(first)), stopped)
        }
    }

    /// Drops blocks when they have become too many. Between two blocks only.
    @inline(__always)
    func makeRoomForBlocks() {
        blocks.makeRoom()
        processor.tlb.forgetDroppedBlocks()
    }
}
