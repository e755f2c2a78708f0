import Machine
import Testing
import X86

/// Repeated string instructions that both engines do in large pieces, against the same instructions one iteration at a time.
@Suite struct RepeatedStringTests {
    private static let names = ["movs", "stos", "scas", "cmps", "lods"].flatMap { name in
        ["rep", "repne"].flatMap { prefix in ["b", "w", "d", "q"].map { "\(prefix) \(name)\($0)" } }
    }

    /// Data whose elements are often equal to their neighbours, so that searches go far.
    private static func fill(_ guest: inout LongModeGuest, _ random: inout OperandGenerator) {
        for page in UInt64(0)..<4 {
            let value = UInt8(truncatingIfNeeded: random.below(3))
            var bytes = [UInt8](repeating: value, count: 4096)
            for _ in 0..<random.below(6) { bytes[Int(random.below(4096))] = UInt8(truncatingIfNeeded: random.next()) }
            guest.write(0x30_0000 + page * 4096, bytes)
        }
        guest.state.general[0] = UInt64(random.below(3)) &* 0x0101_0101_0101_0101
    }

    /// A pointer into the data, anywhere, near another one, or near the end of what is mapped.
    private static func pointer(_ random: inout OperandGenerator, near other: UInt64) -> UInt64 {
        let data = EngineDifferentialTests.data
        switch random.below(4) {
        case 0: return other &+ random.below(40) &- 20
        case 1: return data + 0x4000 - random.below(600)
        case 2: return data + random.below(4) * 4096 + random.below(16)
        default: return data + random.below(0x4000)
        }
    }

    @Test func piecesAreIterations() throws {
        let codes = try Assembler.assemble(Self.names)
        var random = OperandGenerator(seed: 99)
        for round in 0..<500 {
            let form = Int(random.below(UInt64(codes.count)))
            // The instruction at the start of a block, and behind others.
            let lead: [UInt8] = round % 3 == 0 ? [0x90] : []
            var guest = EngineDifferentialTests.guest(
                lead + codes[form] + [0x0F, 0x1F, 0x84, 0, 0xBC, 0x0A, 0x4D, 0x53], isUser: round % 2 == 0)
            Self.fill(&guest, &random)
            guest.state.general[6] = Self.pointer(&random, near: EngineDifferentialTests.data + 0x1000)
            guest.state.general[7] = Self.pointer(&random, near: guest.state.general[6])
            guest.state.general[1] = random.below(5) == 0 ? random.below(4) : random.below(3000)
            guest.state.rflags = random.next() & 0x8D5 | 0x202 | (random.below(5) == 0 ? 0x400 : 0)
            let pair = try EnginePair(guest)
            let single = try guest.machine()
            for _ in 0..<20 {
                let (exit, difference) = pair.run(budget: 1 + random.below(round % 4 == 0 ? 40 : 5000))
                if let difference {
                    Issue.record("round \(round), \(Self.names[form]): \(difference)")
                    return
                }
                while single.retiredInstructions < pair.interpreter.retiredInstructions {
                    if single.stepOne() != nil { break }
                }
                for slot in 0..<32 where slot != 31 {
                    let (expected, found) = (single.slots[slot], pair.interpreter.slots[slot])
                    if expected != found {
                        let name = Slot(UInt16(slot))
                        Issue.record("round \(round), \(Self.names[form]): \(name) \(found), in steps \(expected)")
                        return
                    }
                }
                guard exit == .budget else { break }
            }
            if let difference = try pair.memoryDifference() {
                Issue.record("round \(round), \(Self.names[form]): \(difference)")
                return
            }
            let data = try single.readPhysical(0x30_0000, count: 0x4000)
            #expect(try data == pair.interpreter.readPhysical(0x30_0000, count: 0x4000), "\(Self.names[form])")
        }
    }

    /// With the last iteration the instruction is left: so many iterations, so many retired instructions.
    @Test(arguments: [false, true]) func retiredInstructions(usesMachineCode: Bool) throws {
        var guest = EngineDifferentialTests.guest([0xF3, 0xAA, 0x0F, 0x1F, 0x84, 0, 1, 0, 0x4D, 0x53])
        guest.state.general[7] = EngineDifferentialTests.data + 5
        guest.state.general[1] = 10_000
        var options = MachineOptions()
        options.usesMachineCode = usesMachineCode
        let machine = try guest.machine(options: options)
        #expect(machine.run(budget: 9_000) == .budget)
        #expect(machine.retiredInstructions == 9_000)
        #expect(machine.processor[.rcx] == 1_000)
        #expect(machine.run(budget: 9_000) == .hypercall(number: 1))
        // The hypercall is an instruction, too.
        #expect(machine.retiredInstructions == 10_001)
        #expect(machine.processor[.rdi] == EngineDifferentialTests.data + 10_005)
    }
}
