import X86

extension Machine {
    /// Executes the active processor until it must stop.
    ///
    /// - Parameter budget: guest instructions to retire at least before `Exit.budget`; blocks are not cut.
    package func run(budget: UInt64) -> Exit {
        let processor = processor
        if processor.isHalted { return .halted }
        let system = processor.system
        let limit = system.pointee.retired.addingReportingOverflow(budget)
        system.pointee.setStop(limit.overflow ? UInt64.max : limit.partialValue)
        return runUntilStop()
    }

    /// Executes the active processor until it has retired `SystemState.stop` instructions in all, which helpers may lower.
    func runUntilStop() -> Exit {
        let system = processor.system
        while true {
            if system.pointee.needsSteps {
                restoreStop()
                if system.pointee.retired >= system.pointee.stop { return .budget }
                if let exit = stepOne() { return exit }
                continue
            }
            switch executeBlocks() {
            case .exception(let exception):
                if let exit = raise(exception) { return exit }
            case .codeWrite:
                counts.codeWrites &+= 1
                if let exit = stepOne() { return exit }
            case .exit(.budget):
                if !restoreStop() { return .budget }
            case .exit(let exit):
                return exit
            }
        }
    }

    /// Puts the stop back that a change of the mode has put aside; false when there is none.
    @discardableResult
    private func restoreStop() -> Bool {
        let system = processor.system
        guard let stop = system.pointee.heldStop else { return false }
        system.pointee.heldStop = nil
        system.pointee.stop = stop
        return true
    }

    /// Runs blocks one after the other until something stops them.
    private func executeBlocks() -> AccessFailure {
        isAlone = false
        defer { isAlone = true }
        if options.usesMachineCode, processor.system.pointee.modeKey == 0, let native = blocks.native {
            return execute(native)
        }
        return execute(nil) ?? .exit(.budget)
    }
}
