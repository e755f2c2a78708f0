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
            switch executeBlocks() {
            case .exception(let exception):
                if let exit = raise(exception) { return exit }
            case .codeWrite:
                statistics.codeWrites &+= 1
                if let exit = stepOne() { return exit }
            case .exit(.budget):
                guard let stop = system.pointee.heldStop else { return .budget }
                system.pointee.heldStop = nil
                system.pointee.stop = stop
                reconsiderInterrupts()
            case .exit(let exit):
                return exit
            }
        }
    }

    /// Executes exactly one instruction, exceptions delivered.
    ///
    /// - Returns: nil when it retired or its exception was delivered.
    package func stepOne() -> Exit? {
        if processor.isHalted { return .halted }
        let rip = processor[.rip]
        do throws(AccessFailure) {
            let block = try block(at: rip, single: true)
            let system = processor.system
            let stop = system.pointee.stop
            system.pointee.stop = UInt64.max
            let reason = withExtendedLifetime(block) { execute(block) }
            // A helper may have lowered it.
            if system.pointee.stop == UInt64.max { system.pointee.stop = stop }
            guard let reason else { return nil }
            switch reason {
            case .exception(let exception): return raise(exception)
            case .codeWrite: return nil
            case .exit(.budget): return nil
            case .exit(let exit): return exit
            }
        } catch {
            switch error {
            case .exception(let exception): return raise(exception)
            case .codeWrite: return nil
            case .exit(let exit): return exit
            }
        }
    }

    /// Runs blocks one after the other until something stops them.
    private func executeBlocks() -> AccessFailure {
        if options.usesMachineCode, processor.system.pointee.modeKey == 0, let native = blocks.native {
            return execute(native)
        }
        return execute(nil) ?? .exit(.budget)
    }
}
