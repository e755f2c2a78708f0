import Machine
import Testing
import X86

/// When x87 and MMX instructions fault, and what they leave (Intel SDM volume 1, chapter 8, volume 3, chapter 12).
@Suite struct X87Tests {
    private static let end = "; .byte 0x0f, 0x1f, 0x84, 0, 1, 0, 0x4d, 0x53"

    private func guest(_ program: String) throws -> LongModeGuest {
        try SystemTests().guest("mov rbx, 0x500000; \(program)\(Self.end)")
    }

    /// Address of the faulting instruction that the handler finds on its stack.
    private func faultAddress(_ machine: Machine) throws -> UInt64 {
        try machine.load(machine.processor[.rsp], byteCount: 8, asSupervisor: true).low
    }

    @Test func unmaskedErrorWaitsForTheNextWaitingInstruction() throws {
        // Division by zero with #Z unmasked: FNSTSW and FNSTCW do not wait, FLD1 does.
        let machine = try guest(
            "fninit; mov word ptr [rbx], 0x37b; fldcw [rbx]; fld1; fldz; fdivp; fnstsw ax; fnstcw [rbx]; lea rcx, [rip]; fld1"
        ).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x110))
        #expect(machine.processor[.rax] & 0x80BF == 0x8084)
        #expect(try faultAddress(machine) == machine.processor[.rcx])
        // The operands are still there: 1 and 0.
        #expect(machine.processor.system.pointee.emptyTags == 0x3F)
    }

    @Test(arguments: ["fwait", "emms", "movd mm0, eax", "fld dword ptr [rbx]", "fsave [rbx]"])
    func everyWaitingInstructionReports(_ instruction: String) throws {
        let machine = try guest(
            "fninit; mov word ptr [rbx], 0x37e; fldcw [rbx]; fldz; fldz; fdivp; \(instruction)"
        ).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x110))
    }

    @Test(arguments: ["fninit", "fnclex", "fnsave [rbx+64]", "fnstenv [rbx+64]"])
    func controlInstructionsDoNotWait(_ instruction: String) throws {
        let machine = try guest(
            "fninit; mov word ptr [rbx], 0x37e; fldcw [rbx]; fldz; fldz; fdivp; \(instruction); fldz"
        ).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 1))
    }

    @Test func storesFaultBeforeAnythingChanges() throws {
        let machine = try guest("fninit; fldpi; mov rbx, 0x700000; fstp qword ptr [rbx]").machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 0x10E))
        #expect(machine.processor.system.pointee.emptyTags == 0x7F)
        #expect(machine.processor.system.pointee.statusWord == 0x3800)
    }

    @Test func mediaRegistersAreSignificands() throws {
        let machine = try guest(
            "fninit; fld1; fld1; mov rax, 0x1122334455667788; movq mm3, rax; fnsave [rbx]; frstor [rbx]; movq rdx, mm3; emms"
        ).machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 1))
        let data = SystemTests.data
        // TOP 0, all tags valid (R3 is special: its exponent is all ones), R3 is ST3.
        #expect(try machine.load(data + 4, byteCount: 2).low & 0x3800 == 0)
        #expect(try machine.load(data + 8, byteCount: 2).low & 0xC0 == 0x80)
        #expect(try machine.load(data + 28 + 30, byteCount: 10).low == 0x1122_3344_5566_7788)
        #expect(try machine.load(data + 28 + 30, byteCount: 10).high == 0xFFFF)
        #expect(machine.processor[.rdx] == 0x1122_3344_5566_7788)
        #expect(machine.processor.system.pointee.emptyTags == 0xFF)
    }

    @Test func unitSwitches() throws {
        // CR0.TS: #NM; CR0.EM: #NM for x87 and #UD for MMX; FWAIT only with MP and TS.
        let cases: [(String, UInt64, Int)] = [
            ("fld1", CR0.taskSwitched, 7), ("movd mm0, eax", CR0.taskSwitched, 7), ("emms", CR0.taskSwitched, 7),
            ("fld1", CR0.emulation, 7), ("movd mm0, eax", CR0.emulation, 6), ("fwait", CR0.taskSwitched, 0),
            ("fwait", CR0.taskSwitched | CR0.monitorCoprocessor, 7), ("fwait", CR0.emulation, 0),
        ]
        for (instruction, bits, vector) in cases {
            var guest = try guest(instruction)
            guest.state.cr0 |= bits
            let expected: UInt16 = vector == 0 ? 1 : 0x100 + UInt16(vector)
            #expect(try guest.machine().run(budget: 100) == .hypercall(number: expected), "\(instruction) \(bits)")
        }
    }

    /// Conversions from memory are no MMX instructions, but for CVTPI2PS on Intel's processors: a waiting x87 exception is not looked at,
    /// and the x87 stack stays.
    @Test func conversionsFromMemory() throws {
        for (instruction, isMedia) in [("cvtpi2ps", true), ("cvtpi2pd", false)] {
            for isIntel in [false, true] {
                var options = MachineOptions()
                if isIntel {
                    options.model.leaves[0] = CPUIDLeaf(eax: 0xD, ebx: 0x756E_6547, ecx: 0x6C65_746E, edx: 0x4965_6E69)
                }
                let start = "mov dword ptr [rbx], 3; mov dword ptr [rbx+4], -4; "
                var machine = try guest("\(start)fninit; fld1; \(instruction) xmm1, [rbx]; movq rax, xmm1")
                    .machine(options: options)
                #expect(machine.run(budget: 100) == .hypercall(number: 1))
                #expect(machine.processor[.rax] == (isMedia ? 0xC080_0000_4040_0000 : 0x4008_0000_0000_0000))
                #expect(machine.processor.system.pointee.emptyTags == (isMedia && isIntel ? 0 : 0x7F))
                machine = try guest(
                    "\(start)fninit; mov word ptr [rbx+8], 0x37e; fldcw [rbx+8]; fldz; fldz; fdivp; \(instruction) xmm1, [rbx]"
                ).machine(options: options)
                #expect(machine.run(budget: 100) == .hypercall(number: isMedia && isIntel ? 0x110 : 1))
                let missing = try guest("mov rbx, 0x700000; \(instruction) xmm1, [rbx]").machine(options: options)
                #expect(missing.run(budget: 100) == .hypercall(number: 0x10E))
            }
        }
    }

    @Test func pointersAreKept() throws {
        let machine = try guest("fninit; lea rcx, [rip]; fld dword ptr [rbx+0x10]; fnstenv [rbx+0x40]").machine()
        #expect(machine.run(budget: 100) == .hypercall(number: 1))
        #expect(try machine.load(SystemTests.data + 0x40 + 12, byteCount: 4).low == machine.processor[.rcx])
        #expect(try machine.load(SystemTests.data + 0x40 + 20, byteCount: 4).low == SystemTests.data + 0x10)
    }
}
