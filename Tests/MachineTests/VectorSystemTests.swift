import Machine
import Testing
import X86

/// What vector instructions depend on besides their operands: control bits, XCR0, MXCSR, and extended state in memory.
@Suite(.serialized)
struct VectorSystemTests {
    // vaddps ymm0, ymm0, ymm1
    private static let vexAdd: [UInt8] = [0xC5, 0xFC, 0x58, 0xC1]
    // addps xmm0, xmm1
    private static let legacyAdd: [UInt8] = [0x0F, 0x58, 0xC1]
    // vaddps zmm0, zmm0, zmm1
    private static let evexAdd: [UInt8] = [0x62, 0xF1, 0x7C, 0x48, 0x58, 0xC1]
    // andn eax, eax, eax
    private static let generalVEX: [UInt8] = [0xC4, 0xE2, 0x78, 0xF2, 0xC0]
    private static let done = Exit.hypercall(number: 0xABC)
    private static func exception(_ vector: UInt16) -> Exit { .hypercall(number: 0xE00 + vector) }

    private func run(_ code: [UInt8], _ prepare: (Processor) -> Void) throws -> Exit {
        try VectorGuest().run(code, prepare)
    }

    /// Intel SDM volume 2, 2.5.1 and table 2-21: #UD without CR4.OSXSAVE or XCR0[2:1] = 11B, else #NM with CR0.TS.
    @Test func vexNeedsEnabledState() throws {
        #expect(try run(Self.vexAdd) { _ in } == Self.done)
        #expect(try run(Self.vexAdd) { $0.system.pointee.cr4 &= ~CR4.xSave } == Self.exception(6))
        #expect(try run(Self.vexAdd) { $0.system.pointee.xcr0 = 3 } == Self.exception(6))
        #expect(try run(Self.vexAdd) { $0.system.pointee.xcr0 = 1 } == Self.exception(6))
        #expect(try run(Self.vexAdd) { $0.system.pointee.cr0 |= CR0.taskSwitched } == Self.exception(7))
        let both = try run(Self.vexAdd) {
            $0.system.pointee.cr0 |= CR0.taskSwitched
            $0.system.pointee.xcr0 = 3
        }
        #expect(both == Self.exception(6))
        // CR0.EM and CR4.OSFXSR are for legacy instructions.
        #expect(try run(Self.vexAdd) { $0.system.pointee.cr0 |= CR0.emulation } == Self.done)
        #expect(try run(Self.vexAdd) { $0.system.pointee.cr4 &= ~CR4.fxSave } == Self.done)
        #expect(try run(Self.legacyAdd) { $0.system.pointee.cr0 |= CR0.emulation } == Self.exception(6))
        #expect(try run(Self.legacyAdd) { $0.system.pointee.cr4 &= ~CR4.fxSave } == Self.exception(6))
        #expect(try run(Self.legacyAdd) { $0.system.pointee.cr4 &= ~CR4.xSave } == Self.done)
        #expect(try run(Self.generalVEX) { $0.system.pointee.xcr0 = 1 } == Self.done)
    }

    @Test func evexIsUndefinedOrUnsupported() throws {
        #expect(try run(Self.evexAdd) { _ in } == Self.exception(6))
        let wide = try run(Self.evexAdd) { $0.system.pointee.xcr0 = 0xE7 }
        #expect(wide == .unsupported(rip: VectorNativeRunner.codeStart, bytes: Self.evexAdd))
    }

    /// XSETBV in the running program changes what the next VEX instruction does.
    @Test func switchingStateOffTakesEffect() throws {
        // vaddps; mov eax, 3; xor edx, edx; xor ecx, ecx; xsetbv; vaddps
        let code =
            Self.vexAdd + [0xB8, 3, 0, 0, 0, 0x31, 0xD2, 0x31, 0xC9, 0x0F, 0x01, 0xD1] + Self.vexAdd
        #expect(try run(code) { _ in } == Self.exception(6))
    }

    /// #XM needs CR4.OSXMMEXCPT; without it the exception is #UD (Intel SDM volume 1, 11.5.1).
    @Test func unmaskedExceptions() throws {
        // divss xmm0, xmm1 with 1 / 0
        let code: [UInt8] = [0xF3, 0x0F, 0x5E, 0xC1]
        func prepare(_ processor: Processor, _ mxcsr: UInt32) {
            processor[.xmm(0)] = 0x3F80_0000
            processor[.xmm(1)] = 0
            processor.system.pointee.mxcsr = mxcsr
        }
        let guest = try VectorGuest()
        #expect(try guest.run(code) { prepare($0, 0x1F80) } == Self.done)
        #expect(guest.machine.processor[.xmm(0)] == 0x7F80_0000)
        #expect(guest.machine.processor.system.pointee.mxcsr == 0x1F84)
        #expect(try guest.run(code) { prepare($0, 0x1D80) } == Self.exception(19))
        #expect(guest.machine.processor[.xmm(0)] == 0x3F80_0000)
        #expect(guest.machine.processor.system.pointee.mxcsr == 0x1D84)
        let undefined = try guest.run(code) {
            prepare($0, 0x1D80)
            $0.system.pointee.cr4 &= ~CR4.simdExceptions
        }
        #expect(undefined == Self.exception(6))
    }

    @Test func reservedControlBitsAreRefused() throws {
        // ldmxcsr [rbx]
        let guest = try VectorGuest()
        try guest.machine.writePhysical(VectorGuest.physicalData, [0x80, 0x1F, 1, 0])
        let exit = try guest.run([0x0F, 0xAE, 0x13]) { $0[.rbx] = VectorNativeRunner.data }
        #expect(exit == Self.exception(13))
    }

    /// XSAVES and XRSTORS: compacted, only for the supervisor, with PKRU at its packed place.
    @Test func supervisorState() throws {
        let guest = try VectorGuest()
        // xsaves [rbx]
        let save: [UInt8] = [0x0F, 0xC7, 0x2B]
        // xrstors [rbx]
        let restore: [UInt8] = [0x0F, 0xC7, 0x1B]
        func prepare(_ processor: Processor) {
            processor.system.pointee.xcr0 = 0x207
            processor.system.pointee.protectionKeys = 0x5555_5554
            processor[.rbx] = VectorNativeRunner.data
            processor[.rax] = 0x206
            processor[.rdx] = 0
            for register in 0..<16 {
                processor[.xmm(register)] = UInt64(register) + 1
                processor[.ymmUpper(register)] = UInt64(register) + 100
            }
        }
        #expect(try guest.run(save, prepare) == Self.done)
        let image = try guest.machine.readPhysical(VectorGuest.physicalData, count: 1024)
        func word(_ offset: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(image[offset + $1]) << UInt64($1 * 8) } }
        #expect(word(512) == 0x206)
        #expect(word(520) == 0x8000_0000_0000_0206)
        #expect(word(160) == 1)
        #expect(word(576) == 100)
        // AVX's 256 bytes, then PKRU.
        #expect(word(576 + 256) & 0xFFFF_FFFF == 0x5555_5554)

        let exit = try guest.run(restore) {
            prepare($0)
            $0.system.pointee.protectionKeys = 0
            for slot in 32..<96 { $0.slots[slot] = ~0 }
        }
        #expect(exit == Self.done)
        #expect(guest.machine.processor.system.pointee.protectionKeys == 0x5555_5554)
        #expect(guest.machine.processor[.xmm(3)] == 4)
        #expect(guest.machine.processor[.ymmUpper(15)] == 115)

        let user = try guest.run(save) {
            prepare($0)
            $0.system.pointee.privilegeLevel = 3
        }
        #expect(user != Self.done)
    }

    /// The standard format of XRSTORS is refused, and XRSTOR of components that XCR0 lacks.
    @Test func malformedHeaders() throws {
        let guest = try VectorGuest()
        func header(_ present: UInt64, _ compaction: UInt64) throws {
            let words: [UInt64] = [present, compaction, 0, 0, 0, 0, 0, 0]
            try guest.machine.writePhysical(VectorGuest.physicalData, Array(repeating: 0, count: 832))
            try guest.machine.writePhysical(
                VectorGuest.physicalData + 512,
                words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) } })
        }
        func restore(_ code: [UInt8]) throws -> Exit {
            try guest.run(code) {
                $0[.rbx] = VectorNativeRunner.data
                $0[.rax] = 6
                $0[.rdx] = 0
            }
        }
        let standard: [UInt8] = [0x0F, 0xAE, 0x2B]
        try header(6, 0)
        #expect(try restore(standard) == Self.done)
        #expect(try restore([0x0F, 0xC7, 0x1B]) == Self.exception(13))
        try header(8, 0)
        #expect(try restore(standard) == Self.exception(13))
        try header(2, 0x8000_0000_0000_0004)
        #expect(try restore(standard) == Self.exception(13))
        try header(4, 0x8000_0000_0000_0006)
        #expect(try restore(standard) == Self.done)
    }

    /// XGETBV with ECX = 1: components of XCR0 that are in use.
    @Test func componentsInUse() throws {
        let guest = try VectorGuest()
        // mov ecx, 1; xgetbv
        let code: [UInt8] = [0xB9, 1, 0, 0, 0, 0x0F, 0x01, 0xD0]
        #expect(try guest.run(code) { for slot in 32..<96 { $0.slots[slot] = 0 } } == Self.done)
        #expect(guest.machine.processor[.rax] == 0)
        #expect(try guest.run(code) { $0[.ymmUpper(9)] = 1 } == Self.done)
        #expect(guest.machine.processor[.rax] == 4)
        // ECX = 2
        #expect(try guest.run([0xB9, 2, 0, 0, 0, 0x0F, 0x01, 0xD0]) { _ in } == Self.exception(13))
    }
}

/// A guest whose exceptions end in hypercalls 0xE00 + vector and whose code ends in hypercall 0xABC.
final class VectorGuest {
    static let physicalData: UInt64 = 0x10_4000
    private let physical: UInt64 = 0x10_0000
    private let handlers: UInt64 = 0x18_0000
    let machine: Machine

    /// The model has leaf 0DH with AVX and PKRU, and all variants of XSAVE.
    init() throws {
        var guest = LongModeGuest()
        for page in UInt64(0)..<6 {
            guest.map(VectorNativeRunner.arena + page * 4096, to: physical + page * 4096)
        }
        guest.map(handlers, to: handlers)
        for vector in UInt64(0)..<32 {
            let address = handlers + vector * 16
            guest.write(address, [0x0F, 0x1F, 0x84, 0, UInt8(vector), 0x0E, 0x4D, 0x53])
            guest.setGate(vector, address, stack: 1)
        }
        guest.state.cr4 |= CR4.xSave
        guest.state.xcr0 = 7
        var options = MachineOptions()
        options.model.leaves[7 << 32] = CPUIDLeaf(ebx: 0x108)
        options.model.leaves[0x8000_0001 << 32] = CPUIDLeaf(ecx: 0x21)
        options.model.leaves[0xD << 32] = CPUIDLeaf(eax: 0x207, ebx: 0xA88, ecx: 0xA88)
        options.model.leaves[0xD << 32 | 1] = CPUIDLeaf(eax: 0xF)
        options.model.leaves[0xD << 32 | 2] = CPUIDLeaf(eax: 256, ebx: 576)
        options.model.leaves[0xD << 32 | 9] = CPUIDLeaf(eax: 8, ebx: 0xA80)
        machine = try guest.machine(options: options)
    }

    /// Runs code in kernel mode from the state that `prepare` changes; control registers are those of the guest's start again.
    func run(_ code: [UInt8], _ prepare: (Processor) -> Void) throws -> Exit {
        try machine.writePhysical(
            physical + VectorNativeRunner.codeStart - VectorNativeRunner.arena,
            code + [0x0F, 0x1F, 0x84, 0, 0xBC, 0x0A, 0x4D, 0x53])
        let processor = machine.processor
        var state = processor.save()
        state.rip = VectorNativeRunner.codeStart
        state.general[4] = VectorNativeRunner.data + 0x1800
        state.cr0 &= ~(CR0.taskSwitched | CR0.emulation)
        state.cr4 |= CR4.fxSave | CR4.xSave | CR4.simdExceptions
        state.xcr0 = 7
        state.floatingPoint.mxcsr = 0x1F80
        try processor.load(state)
        prepare(processor)
        return machine.run(budget: 1000)
    }
}
