import Machine
import Testing
import X86

/// Bare programs, and how many instructions of them ran.
@Suite struct EngineMeasurementTests {
    @Test(arguments: [false, true]) func countsInstructions(usesMachineCode: Bool) throws {
        var guest = BareGuest()
        // 1: inc rax; jmp 1b
        guest.write(0x40_0000, [0x48, 0xFF, 0xC0, 0xEB, 0xFB])
        guest.state.rip = 0x40_0000
        var options = MachineOptions()
        options.usesMachineCode = usesMachineCode
        let machine = try guest.machine(options: options)
        let result = machine.measure(instructions: 10_000, warmUp: 100)
        #expect(result.exit == .budget)
        #expect(result.instructions == 10_000)
        #expect(machine.processor[.rax] == 5050)
    }

    @Test func endsWithTheProgram() throws {
        var guest = BareGuest()
        guest.write(0x40_0000, [0x90, 0x0F, 0x1F, 0x84, 0, 7, 0, 0x4D, 0x53])
        guest.state.rip = 0x40_0000
        let result = try guest.machine().measure(instructions: 1000)
        #expect(result.exit == .hypercall(number: 7))
        #expect(result.instructions == 2)
    }

    /// One segment of two bytes at 0x400000, entry there.
    private static var program: [UInt8] {
        var bytes: [UInt8] = Array(repeating: 0, count: 122)
        bytes.replaceSubrange(0..<4, with: [0x7F, 0x45, 0x4C, 0x46])
        bytes[26] = 0x40
        bytes[32] = 64
        bytes[56] = 1
        bytes[64] = 1
        bytes[72] = 120
        bytes[82] = 0x40
        bytes[96] = 2
        bytes.replaceSubrange(120..<122, with: [0xEB, 0xFE])
        return bytes
    }

    @Test func programs() throws {
        let guest = try #require(BareGuest(elf: Self.program))
        #expect(guest.state.rip == 0x40_0000)
        #expect(try guest.machine().run(budget: 10) == .budget)
    }

    @Test func brokenPrograms() {
        #expect(BareGuest(elf: []) == nil)
        #expect(BareGuest(elf: Array(Self.program.prefix(100))) == nil)
        // The segment's bytes are beyond the file, its address beyond the RAM, or in the page tables.
        for (offset, value) in [(73, UInt8(1)), (84, 1), (82, 0), (32, 255)] {
            var bytes = Self.program
            bytes[offset] = value
            #expect(BareGuest(elf: bytes) == nil)
        }
    }
}
