import Machine
import Workflow
import X86

/// A static program without an operating system in Stemma's engine.
///
/// Its two system calls, write and exit, are answered here: SYSCALL goes to a hypercall, behind which SYSRET goes back.
package struct BareProgram {
    /// What a run took and gave.
    package struct Run: Sendable, Codable {
        package var seconds: Double
        package var instructions: UInt64
        package var status: UInt64
        package var output: String
    }

    private let elf: [UInt8]

    package init(elf: [UInt8]) { self.elf = elf }

    /// Where the handler of system calls is: below the programs, above the page tables.
    private static let handler: UInt64 = 0x30_0000
    /// Stemma's hypercall with number 0, and SYSRET to 64-bit code.
    private static let handlerCode: [UInt8] = [0x0F, 0x1F, 0x84, 0, 0, 0, 0x4D, 0x53, 0x48, 0x0F, 0x07]

    /// - Parameter limit: instructions after which the program is given up.
    package func run(usesMachineCode: Bool, limit: UInt64) throws -> Run {
        guard var guest = BareGuest(elf: elf) else {
            throw WorkflowError(.malformed, "This is no static program for the bare guest.")
        }
        guest.write(Self.handler, Self.handlerCode)
        guest.state.lstar = Self.handler
        // SYSCALL: code 0x10, stack 0x18; SYSRET: stack 0x2B, code 0x33.
        guest.state.star = 0x23 << 48 | 0x10 << 32
        var options = MachineOptions()
        options.usesMachineCode = usesMachineCode
        let machine = try guest.machine(options: options)
        var output: [UInt8] = []
        let clock = ContinuousClock()
        let start = clock.now
        while true {
            let left = limit &- machine.retiredInstructions
            guard limit > machine.retiredInstructions, machine.run(budget: left) == .hypercall(number: 0) else {
                throw WorkflowError(
                    .unavailable,
                    "The program did not end within \(limit) instructions, or broke off at 0x"
                        + String(machine.processor[.rip], radix: 16) + ".")
            }
            let processor = machine.processor
            switch processor[.rax] {
            case 1:
                let count = processor[.rdx]
                guard count <= 1 << 20 else {
                    throw WorkflowError(.malformed, "The program writes \(count) bytes at once.")
                }
                // Memory is mapped one to one.
                output += try machine.readPhysical(processor[.rsi], count: Int(count))
                processor[.rax] = count
            case 60:
                return Run(
                    seconds: (clock.now - start) / .seconds(1), instructions: machine.retiredInstructions,
                    status: processor[.rdi], output: String(decoding: output, as: UTF8.self))
            case let number:
                throw WorkflowError(
                    .unavailable, "The program makes the system call \(number), which is not answered here.")
            }
        }
    }
}
