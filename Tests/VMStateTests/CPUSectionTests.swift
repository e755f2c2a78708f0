import Foundation
import Testing
import VMState

/// The CPU section against what QEMU's monitor says about the same guest.
@Suite struct CPUSectionTests {
    /// Values like `RIP=...` and `CR3=...` of `info registers`.
    private func values(_ text: String) -> [String: UInt64] {
        var values: [String: UInt64] = [:]
        for word in text.split(whereSeparator: \.isWhitespace) {
            let parts = word.split(separator: "=")
            if parts.count == 2, let value = UInt64(parts[1], radix: 16) { values[String(parts[0])] = value }
        }
        return values
    }

    @Test(arguments: [FixtureCase.pc, .pcTwoCPUs, .q35FourCPUs, .q35AtReset, .pcLiveDirty])
    func agreesWithTheMonitor(_ kind: FixtureCase) throws {
        let fixture = try kind.fixture()
        let (stream, _) = try fixture.parsed()
        let cpu = try #require(try stream.cpus().first)
        let known = values(fixture.registers)
        let names: [(String, GeneralRegister)] = [
            ("EAX", .rax), ("EBX", .rbx), ("ECX", .rcx), ("EDX", .rdx), ("ESI", .rsi), ("EDI", .rdi), ("EBP", .rbp),
            ("ESP", .rsp),
        ]
        for (name, register) in names { #expect(cpu[register] & 0xffff_ffff == known[name], "\(name)") }
        #expect(cpu.rip == known["EIP"])
        #expect(cpu.rflags == known["EFL"])
        #expect(cpu.cr0 == known["CR0"])
        #expect(cpu.cr3 == known["CR3"])
        #expect(cpu.cr4 == known["CR4"])
        #expect(cpu.efer == known["EFER"])
        #expect(UInt64(cpu.fpuControl) == known["FCW"])
        #expect(UInt64(cpu.mxcsr) == known["MXCSR"])
        #expect(cpu.debugRegisters[6] == known["DR6"])
        #expect(cpu.a20Mask == -1 || cpu.a20Mask == ~(1 << 20))
        #expect(fixture.registers.contains("CPL=\(cpu.privilegeLevel)"))
        let code = cpu[.cs]
        // The monitor shows the meaningful flags only.
        let line = String(
            format: "CS =%04x %08x %08x %08x", code.selector, UInt32(code.base), code.limit, code.flags & 0xffff00)
        #expect(fixture.registers.contains(line), "\(line)")
        let table = String(format: "GDT=     %08x %08x", UInt32(cpu.gdt.base), cpu.gdt.limit)
        #expect(fixture.registers.contains(table), "\(table)")
    }

    @Test func resetStateIsThatOfTheManual() throws {
        let (stream, _) = try FixtureCase.q35AtReset.fixture().parsed()
        let cpu = try #require(try stream.cpus().first)
        #expect(cpu.rip == 0xfff0)
        #expect(cpu[.cs].base == 0xffff_0000)
        #expect(cpu.cr0 == 0x6000_0010)
        #expect(cpu.fpuControl == 0x37f)
        #expect(cpu.fpuTag == 0)
        #expect(cpu.mxcsr == 0x1f80)
        #expect(cpu.pat == 0x0007_0406_0007_0406)
        #expect(cpu.xmm == [VectorLane](repeating: VectorLane(low: 0, high: 0), count: 16))
        #expect(cpu.xcr0 == 1)
    }

    @Test func editsGoIntoTheStreamAndIntoQEMU() throws {
        let fixture = try FixtureCase.q35AtReset.fixture()
        var (stream, pages) = try fixture.parsed()
        var cpu = try #require(try stream.cpus().first)
        cpu[.rdi] = 0x1122_3344
        cpu.rip = 0x7c00
        cpu[.fs] = SegmentState(selector: 0x1230, base: 0x12300, limit: 0xffff, flags: 0x9300)
        cpu.cr2 = 0xdead_b000
        cpu.setXMM(3, to: VectorLane(low: 0x0123_4567_89ab_cdef, high: 0xfedc_ba98_7654_3210))
        try cpu.set("env.regs[2]", to: 0x55)
        try stream.replace(cpu)

        let directory = try TemporaryDirectory()
        var output = try FileByteOutput(path: directory["edited"])
        try MigrationStreamWriter().write(stream, pages: &pages, to: &output)
        let qemu = try QEMU(fixture.arguments + ["-incoming", "exec:cat \(directory["edited"])"])
        _ = try qemu.incomingStatus()
        let text = try qemu.monitor("info registers")
        qemu.quit()
        let known = values(text)
        #expect(known["EDI"] == 0x1122_3344)
        #expect(known["EIP"] == 0x7c00)
        #expect(known["EDX"] == 0x55)
        #expect(known["CR2"] == 0xdead_b000)
        #expect(text.contains("FS =1230 00012300 0000ffff"))
        #expect(text.contains("XMM03=fedcba9876543210 0123456789abcdef"))
    }

    @Test func refusesOtherLayouts() throws {
        let (stream, _) = try FixtureCase.pc.fixture().parsed()
        let timer = try #require(stream.device("timer"))
        #expect(throws: VMStateError.self) { try CPUSection(timer) }
        let cpu = try #require(try stream.cpus().first)
        #expect(cpu.hasSubsection("cpu/poll_control_msr"))
        #expect(!cpu.hasSubsection("cpu/nested_state"))
        #expect(try cpu.unsigned("cpu/poll_control_msr.env.poll_control_msr") == 0)
    }
}
