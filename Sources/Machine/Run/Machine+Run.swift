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
        let stop = limit.overflow ? UInt64.max : limit.partialValue
        while true {
            switch interpret(until: stop) {
            case .exception(let exception):
                if let exit = raise(exception) { return exit }
                if system.pointee.retired >= stop { return .budget }
            case .codeWrite:
                if let exit = stepOne() { return exit }
                if system.pointee.retired >= stop { return .budget }
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
            let reason = withExtendedLifetime(block) { execute(block, until: processor.system.pointee.retired + 1) }
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
    private func interpret(until stop: UInt64) -> AccessFailure {
        execute(nil, until: stop) ?? .exit(.budget)
    }
}
