import X86

extension Machine {
    /// As `execute(nil)`, in translated code: blocks from RIP on until `SystemState.stop` instructions have retired or something fails.
    ///
    /// Slots, system state, memory and retired count are afterwards those that the interpreter leaves; temporaries are not.
    func execute(_ code: NativeCode) -> AccessFailure {
        let processor = processor
        let slots = processor.slots
        let system = processor.system
        let tlb = processor.tlb
        let jumps = tlb.jumps
        let opaque = Unmanaged.passUnretained(self).toOpaque()
        tlb.beginUse()
        forgetOldCode(code)
        // Place of the jump that led here and is not linked to its target yet.
        var place = 0

        while true {
            if system.pointee.retired >= system.pointee.stop { return .exit(.budget) }
            let rip = slots[16]
            let set = translationSet
            let key = TLB.key(rip, set) ^ system.pointee.modeKey
            let jump = jumps + TLB.jumpIndex(rip)
            if jump.pointee.key != key || jump.pointee.block == nil {
                makeRoomForBlocks()
                if tlb.codeGeneration != code.generation {
                    forgetOldCode(code)
                    place = 0
                }
                do throws(AccessFailure) {
                    tlb.enter(TLB.JumpEntry(key: key, try block(at: rip)), at: rip)
                } catch {
                    return error
                }
            }
            if jump.pointee.code == 0 {
                guard let block = jump.pointee.block?.takeUnretainedValue() else { return .exit(.budget) }
                let known = code.blocks.count
                let offset = code.offset(of: block, set: set)
                if code.blocks.count != known { counts.translations &+= 1 }
                // No room even in empty memory: not with the lifter's blocks and the usual capacity.
                if offset == 0 { return execute(nil) ?? .exit(.budget) }
                if tlb.codeGeneration != code.generation {
                    forgetOldCode(code)
                    place = 0
                }
                jump.pointee.code = offset
            }
            let offset = jump.pointee.code
            if place != 0 { code.link(place, to: offset) }
            place = 0

            counts.returns &+= 1
            let result = code.enter(opaque, processor, at: offset, set: set)
            processor.settleFlags()
            let index = Int((result >> 8) & 0xFF_FFFF)
            switch NativeStatus(rawValue: result & 0xFF) {
            case .lookup: place = Int(result >> 8)
            case .failed:
                guard let reason = nativeFailure, let block = nativeBlock else { return .exit(.budget) }
                nativeFailure = nil
                return unwind(block.block, at: index, reason)
            case .divideError:
                return unwind(
                    code.blocks[Int(result >> 32)].block, at: index, .exception(GuestException(.divideError)))
            case .unaligned:
                return unwind(code.blocks[Int(result >> 32)].block, at: index, .exception(.generalProtection))
            // Until the next stop; exceptions that are not masked are seldom.
            case .interpret: return execute(nil) ?? .exit(.budget)
            case .terminator: return terminate(code.blocks[Int(result >> 32)], index)
            case nil: return .exit(.budget)
            }
        }
    }

    private func forgetOldCode(_ code: NativeCode) {
        let tlb = processor.tlb
        guard tlb.codeGeneration != code.generation else { return }
        tlb.forgetCode()
        tlb.codeGeneration = code.generation
    }

    /// The terminators that translated code leaves to Swift, as the interpreter does them.
    private func terminate(_ cached: CachedBlock, _ index: Int) -> AccessFailure {
        let block = cached.block
        let operation = block.operations[index]
        if operation.operation == .raise {
            return unwind(block, at: index, .exception(GuestException(raising: operation.immediate)))
        }
        let next = block.rip &+ UInt64(block.byteCount)
        processor.system.pointee.retired &+= cached.instructionCount
        processor[.rip] = next
        if operation.operation == .unsupported {
            return .exit(.unsupported(rip: next, bytes: block.unsupportedBytes))
        }
        return .exit(leave(operation))
    }
}
