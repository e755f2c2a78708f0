import Machine
import X86

/// Executes the inputs of a test case concretely, without any symbol: the path must be the same.
package struct Replay: Sendable {
    /// How the replayed path ended.
    package let end: PathEnd
    package let instructions: UInt64
    package let log: [String]

    /// Why the replay differs from the test case; nil when it took the same path to the same end.
    package func difference(from testCase: TestCase) -> String? {
        if TestCase.End(end) != testCase.end { return "ended with \(end), not with \(testCase.end.description)" }
        if instructions != testCase.instructions {
            return "executed \(instructions) instructions, not \(testCase.instructions)"
        }
        return log == testCase.log ? nil : "printed \(log), not \(testCase.log)"
    }

    /// Replays a test case on a fork of the machine that its exploration started from.
    ///
    /// - Parameter limit: instructions after which the replay is given up as unfinished.
    package init(_ testCase: TestCase, on machine: Machine, limit: UInt64 = 1_000_000_000) {
        var run = Run(machine: machine.fork(), testCase: testCase)
        let start = machine.retiredInstructions
        end = run.execute(limit: limit)
        instructions = run.machine.retiredInstructions - start
        log = run.log
    }

    private struct Run {
        let machine: Machine
        let testCase: TestCase
        var log: [String] = []
        var inputs = 0
        var pathNumbers = 0

        init(machine: Machine, testCase: TestCase) {
            self.machine = machine
            self.testCase = testCase
        }

        private func slot(_ slot: Slot) -> UInt64 { machine.slots[Int(slot.rawValue)] }

        mutating func execute(limit: UInt64) -> PathEnd {
            let stop = machine.retiredInstructions &+ limit
            while machine.retiredInstructions < stop {
                let exit = machine.run(budget: min(1_000_000, stop - machine.retiredInstructions))
                switch exit {
                case .budget: continue
                case .hypercall(let number):
                    do throws(AccessFailure) {
                        if let end = try serve(number) { return end }
                    } catch {
                        switch error {
                        case .exception(let exception):
                            machine.slots[Int(Slot.rip.rawValue)] &-= GuestHypercall.instructionLength
                            machine.retiredInstructions &-= 1
                            if let exit = machine.raise(exception) { return end(exit) }
                        case .exit(let exit): return end(exit)
                        case .codeWrite: continue
                        }
                    }
                default: return end(exit)
                }
            }
            return .unfinished(.instructionLimit)
        }

        private func end(_ exit: Exit) -> PathEnd {
            SymbolicExecutor.end(exit, at: machine.slots[Int(Slot.rip.rawValue)])
        }

        /// Serves a hypercall as the exploration does, with the test case's bytes as the symbolic ones.
        private mutating func serve(_ number: UInt16) throws(AccessFailure) -> PathEnd? {
            var result: UInt64 = 1
            switch GuestHypercall(rawValue: number) {
            case nil: result = 0
            case .version: result = GuestHypercall.interfaceVersion
            case .makeSymbolic:
                let count = slot(.rsi)
                // The name is read as the exploration reads it: it may fault.
                _ = try text(slot(.rdx))
                guard count > 0 else { break }
                guard inputs < testCase.inputs.count, UInt64(testCase.inputs[inputs].size) == count else {
                    return .unsupportedMode(
                        address: slot(.rip), reason: "the test case has no input for this symbolic buffer")
                }
                try machine.writeVirtual(slot(.rdi), testCase.bytes(of: testCase.inputs[inputs]))
                inputs += 1
            case .assume: if slot(.rdi) == 0 { return .assumptionFailed }
            case .print: log.append(try text(slot(.rdi)))
            case .endPath:
                let message = slot(.rsi) == 0 ? "" : try text(slot(.rsi))
                return .finished(status: slot(.rdi), message: message)
            case .pathID:
                result = UInt64(
                    pathNumbers < testCase.pathNumbers.count ? testCase.pathNumbers[pathNumbers] : testCase.path)
                pathNumbers += 1
            }
            machine.slots[Int(Slot.rax.rawValue)] = result
            return nil
        }

        private func text(_ address: UInt64) throws(AccessFailure) -> String {
            var bytes: [UInt8] = []
            while bytes.count < GuestHypercall.maximumTextLength {
                let current = address &+ UInt64(bytes.count)
                let part = try machine.readVirtual(current, count: min(64, 4096 - Int(current & 4095)))
                if let end = part.firstIndex(of: 0) {
                    bytes += part[..<end]
                    break
                }
                bytes += part
            }
            return String(decoding: bytes.prefix(GuestHypercall.maximumTextLength), as: UTF8.self)
        }
    }
}
