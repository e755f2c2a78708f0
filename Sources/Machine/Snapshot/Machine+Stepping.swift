import X86

// Single steps, for comparing the machine with another one.
extension Machine {
    /// The bytes at the active processor's instruction pointer, at most 15; fewer where memory ends.
    package func bytesAtInstruction() -> [UInt8] {
        let address = processor.codeAddress(processor[.rip])
        let first = min(15, 4096 - Int(address & 4095))
        guard let bytes = try? readVirtual(address, count: first) else { return [] }
        guard first < 15, let rest = try? readVirtual(address &+ UInt64(first), count: 15 - first) else { return bytes }
        return bytes + rest
    }

    /// How code is lifted in the active processor's mode.
    package var liftContext: LiftContext {
        var context = processor.liftContext(options.model)
        processor.addMode(to: &context)
        return context
    }

    /// Visible registers of the active processor.
    package var visibleRegisters: VisibleRegisters {
        let system = processor.system.pointee
        return VisibleRegisters(
            general: (0..<16).map { processor.slots[$0] }, rip: processor[.rip], flags: processor.rflags,
            selectors: (0..<6).map { UInt64(system.segments[$0].selector) }, fsBase: processor[.fsBase],
            gsBase: processor[.gsBase], kernelGSBase: system.kernelGSBase,
            control: [system.cr0, system.cr2, system.cr3, system.cr4], efer: system.efer,
            vectors: (0..<16).flatMap { [processor[.xmm($0)], processor[.xmm($0).high]] }, mxcsr: UInt64(system.mxcsr))
    }

    /// Linear addresses of an instruction's memory operands, when it is the active processor's next one.
    package func operandAddresses(_ facts: InstructionFacts) -> [UInt64] {
        facts.memoryOperands.map { operand in
            operand.linear { processor.slots[Int($0.rawValue)] }
                & (processor.system.isLongMode ? ~0 : 0xFFFF_FFFF)
        }
    }

    /// Takes over what an instruction got from outside: general registers and flags.
    package func adopt(general: [UInt64], flags: UInt64) {
        for (index, value) in general.prefix(16).enumerated() { processor.slots[index] = value }
        processor.rflags = flags
    }
}

/// What a program on a processor can see of it, apart from x87 and the upper halves of vectors.
package struct VisibleRegisters: Sendable, Hashable {
    /// RAX RCX RDX RBX RSP RBP RSI RDI R8-R15.
    package var general: [UInt64]
    package var rip: UInt64
    package var flags: UInt64
    /// ES CS SS DS FS GS.
    package var selectors: [UInt64]
    package var fsBase: UInt64
    package var gsBase: UInt64
    package var kernelGSBase: UInt64
    /// CR0 CR2 CR3 CR4.
    package var control: [UInt64]
    package var efer: UInt64
    /// Low and high halves of XMM0-XMM15.
    package var vectors: [UInt64]
    package var mxcsr: UInt64

    package init(
        general: [UInt64], rip: UInt64, flags: UInt64, selectors: [UInt64], fsBase: UInt64, gsBase: UInt64,
        kernelGSBase: UInt64, control: [UInt64], efer: UInt64, vectors: [UInt64], mxcsr: UInt64
    ) {
        self.general = general
        self.rip = rip
        self.flags = flags
        self.selectors = selectors
        self.fsBase = fsBase
        self.gsBase = gsBase
        self.kernelGSBase = kernelGSBase
        self.control = control
        self.efer = efer
        self.vectors = vectors
        self.mxcsr = mxcsr
    }

    /// Names and values, in the order of a debugger's listing.
    package var named: [(name: String, value: UInt64)] {
        let names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] + (8..<16).map { "r\($0)" }
        var list = Array(zip(names, general)).map { (name: $0.0, value: $0.1) }
        list.append(("rip", rip))
        list.append(("rflags", flags))
        list += zip(["es", "cs", "ss", "ds", "fs", "gs"], selectors).map { (name: $0.0, value: $0.1) }
        list += [("fs_base", fsBase), ("gs_base", gsBase), ("kernel_gs_base", kernelGSBase)]
        list += zip(["cr0", "cr2", "cr3", "cr4"], control).map { (name: $0.0, value: $0.1) }
        list.append(("efer", efer))
        for (index, value) in vectors.enumerated() {
            list.append(("xmm\(index / 2)\(index % 2 == 0 ? "" : " high")", value))
        }
        list.append(("mxcsr", mxcsr))
        return list
    }
}
