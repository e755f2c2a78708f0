import X86

// One instruction, with the debug traps that follow it (Intel SDM volume 3, 6.9 and 17.3.1)
extension Machine {
    /// Executes exactly one instruction of the active processor, exceptions delivered; or takes the debug trap that waits.
    ///
    /// - Returns: nil when it retired or its exception was delivered.
    package func stepOne() -> Exit? {
        if processor.isHalted { return .halted }
        let system = processor.system
        // Behind a load of SS the trap waits for one more instruction.
        if system.pointee.pendingDebug != 0, system.pointee.retired != system.pointee.debugShadow {
            return takeDebugTrap()
        }
        let step = SingleStep(
            rip: processor[.rip], retired: system.pointee.retired,
            traps: system.pointee.systemFlags & RFlags.trap != 0,
            resumes: system.pointee.systemFlags & RFlags.resume != 0, held: system.pointee.pendingDebug,
            iteration: system.pointee.needsSteps || system.pointee.watchesData ? repeatedString() : nil)
        // Every instruction clears RF; IRET may set it again.
        system.pointee.systemFlags &= ~RFlags.resume
        system.pointee.checksTrapAfterwards = false
        do throws(AccessFailure) {
            let block = try block(at: step.rip, single: true, ignoresBreakpoints: step.resumes)
            repeat {
                if let reason = executeAlone(block) { return finish(step, reason) }
            } while step.hasRoundOfZero(processor)
            complete(step)
            return system.pointee.retired == system.pointee.debugShadow || system.pointee.pendingDebug == 0
                ? nil : takeDebugTrap()
        } catch {
            return finish(step, error)
        }
    }

    /// MOV and POP to SS: debug traps wait until the next instruction is done, and its breakpoint does not count, as if RF were set.
    func beginDebugShadow() {
        let system = processor.system
        system.pointee.debugShadow = system.pointee.retired &+ 1
        guard system.pointee.watchesCode else { return }
        system.pointee.systemFlags |= RFlags.resume
        processor.stepsChanged()
    }

    /// What has to be known of an instruction before it is executed.
    private struct SingleStep {
        let rip: UInt64
        let retired: UInt64
        /// RFLAGS.TF and RF.
        let traps: Bool
        let resumes: Bool
        /// Traps that the instruction before has left.
        let held: UInt64
        /// It is a repeated string instruction: the bits of its counter.
        let iteration: Int?

        /// The instruction is a repeated string instruction that goes on.
        func isRepeating(_ processor: Processor) -> Bool { iteration != nil && processor[.rip] == rip }

        /// All iterations are done, but for the block it takes another round to notice.
        func hasRoundOfZero(_ processor: Processor) -> Bool {
            guard let iteration, isRepeating(processor) else { return false }
            return processor[.rcx] << UInt64(64 - iteration) == 0
        }
    }

    /// A block of one instruction, executed without a limit.
    private func executeAlone(_ block: CachedBlock) -> AccessFailure? {
        let system = processor.system
        let (stop, held) = (system.pointee.stop, system.pointee.heldStop)
        system.pointee.setStop(.max)
        let reason = withExtendedLifetime(block) { execute(block) }
        // A helper may have lowered it, or have put it aside for the run loop.
        system.pointee.stop = min(stop, system.pointee.heldStop ?? system.pointee.stop)
        system.pointee.heldStop = held
        return reason
    }

    /// The instruction is done: which traps it leaves.
    private func complete(_ step: SingleStep) {
        let system = processor.system
        if step.isRepeating(processor), step.traps || step.resumes || system.pointee.pendingDebug != 0 {
            // Its breakpoint counts for the first iteration only, and a trap between iterations saves RF set.
            system.pointee.systemFlags |= RFlags.resume
        }
        // A load of SS has no trap of its own; the next instruction's stands for both.
        if system.pointee.retired == system.pointee.debugShadow { return }
        let traps =
            system.pointee.checksTrapAfterwards ? system.pointee.systemFlags & RFlags.trap != 0 : step.traps
        if traps, hasBranched(step) { system.pointee.pendingDebug |= DR6.singleStep }
    }

    /// False when only branches trap and the instruction was none.
    private func hasBranched(_ step: SingleStep) -> Bool {
        guard (processor.system.pointee.otherMSRs[MSR.debugControl] ?? 0) & Self.stepsOnBranches != 0 else {
            return true
        }
        // A branch to the next instruction is not noticed.
        return processor[.rip] &- step.rip > 15
    }

    /// The instruction did not complete.
    private func finish(_ step: SingleStep, _ reason: AccessFailure) -> Exit? {
        let system = processor.system
        switch reason {
        case .exception(let exception):
            // A trap that was held back by a load of SS comes behind INT n, at its handler; a fault drops it.
            if !exception.isSoftware { system.pointee.pendingDebug = 0 }
            return raise(exception)
        case .exit(.budget), .codeWrite: return nil
        case .exit(let exit):
            guard system.pointee.retired == step.retired else {
                // A hypercall or HLT has retired. A trap ends the halt at once.
                complete(step)
                guard case .halted = exit, system.pointee.pendingDebug != 0 else { return exit }
                processor.isHalted = false
                return nil
            }
            system.pointee.pendingDebug = step.held
            if step.resumes { system.pointee.systemFlags |= RFlags.resume }
            return exit
        }
    }

    /// The debug trap that waits, delivered.
    private func takeDebugTrap() -> Exit? {
        let system = processor.system
        let status = system.pointee.pendingDebug
        system.pointee.pendingDebug = 0
        return raise(.debugTrap(status))
    }

    /// Bits of the counter of the repeated string instruction at RIP, nil for another instruction.
    private func repeatedString() -> Int? {
        var isRepeated = false
        var hasAddressPrefix = false
        for byte in bytesAtInstruction() {
            switch byte {
            case 0xF2, 0xF3: isRepeated = true
            case 0x67: hasAddressPrefix = true
            case 0x66, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0xF0: continue
            case 0x40...0x4F where processor.system.isLongCode: continue
            // INS, OUTS; MOVS, CMPS; STOS, LODS, SCAS.
            case 0x6C...0x6F, 0xA4...0xA7, 0xAA...0xAF:
                guard isRepeated else { return nil }
                if processor.system.isLongCode { return hasAddressPrefix ? 32 : 64 }
                return processor.system.pointee.segments[1].isBig != hasAddressPrefix ? 32 : 16
            default: return nil
            }
        }
        return nil
    }
}
