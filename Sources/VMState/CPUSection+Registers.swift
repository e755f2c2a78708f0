private typealias Offset = CPULayout.Offset

/// A general-purpose register by its number in instruction encoding.
package enum GeneralRegister: Int, Sendable, CaseIterable {
    case rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
}

/// A segment register by its number in instruction encoding.
package enum SegmentRegister: Int, Sendable, CaseIterable {
    case es, cs, ss, ds, fs, gs
}

/// A segment register, or a descriptor table register, with its hidden part.
package struct SegmentState: Sendable, Hashable {
    /// The visible part.
    package var selector: UInt32
    /// Linear address.
    package var base: UInt64
    /// In bytes.
    package var limit: UInt32
    /// Second doubleword of the descriptor: type 8-11, S 12, DPL 13-14, P 15, AVL 20, L 21, D/B 22, G 23.
    ///
    /// The other bits (0-7, 16-19, 24-31) may hold pieces of base and limit and have no meaning here.
    package var flags: UInt32

    /// Makes a segment.
    package init(selector: UInt32, base: UInt64, limit: UInt32, flags: UInt32) {
        self.selector = selector
        self.base = base
        self.limit = limit
        self.flags = flags
    }

    static let size = 20
}

extension CPUSection {
    /// A general-purpose register.
    package subscript(register: GeneralRegister) -> UInt64 {
        get { load(Offset.registers + 8 * register.rawValue) }
        set { store(newValue, Offset.registers + 8 * register.rawValue) }
    }

    /// The sixteen general-purpose registers in encoding order (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8...r15).
    package var generalRegisters: [UInt64] { GeneralRegister.allCases.map { self[$0] } }

    /// Address of the next instruction.
    package var rip: UInt64 {
        get { load(Offset.instructionPointer) }
        set { store(newValue, Offset.instructionPointer) }
    }

    /// RFLAGS, complete (QEMU folds its lazily kept condition codes in before it saves).
    package var rflags: UInt64 {
        get { load(Offset.flags) }
        set { store(newValue, Offset.flags) }
    }

    /// QEMU's derived flags: privilege level, mode bits and copies of control bits (see `HiddenFlags`).
    package var hflags: UInt32 {
        get { load(Offset.hflags) }
        set { store(newValue, Offset.hflags) }
    }

    /// More of QEMU's flags: GIF 0, HIF 1, NMI blocked 2, SMM-inside-NMI 3, ...
    package var hflags2: UInt32 {
        get { load(Offset.hflags2) }
        set { store(newValue, Offset.hflags2) }
    }

    /// A segment register.
    package subscript(segment: SegmentRegister) -> SegmentState {
        get { loadSegment(at: Offset.segments + SegmentState.size * segment.rawValue) }
        set { storeSegment(newValue, at: Offset.segments + SegmentState.size * segment.rawValue) }
    }

    /// Local descriptor table.
    package var ldt: SegmentState {
        get { loadSegment(at: Offset.ldt) }
        set { storeSegment(newValue, at: Offset.ldt) }
    }

    /// Task register.
    package var tr: SegmentState {
        get { loadSegment(at: Offset.tr) }
        set { storeSegment(newValue, at: Offset.tr) }
    }

    /// Global descriptor table: base and limit.
    package var gdt: SegmentState {
        get { loadSegment(at: Offset.gdt) }
        set { storeSegment(newValue, at: Offset.gdt) }
    }

    /// Interrupt descriptor table: base and limit.
    package var idt: SegmentState {
        get { loadSegment(at: Offset.idt) }
        set { storeSegment(newValue, at: Offset.idt) }
    }

    /// Current privilege level.
    package var privilegeLevel: Int { Int(hflags & 3) }

    private func loadSegment(at offset: Int) -> SegmentState {
        SegmentState(
            selector: load(offset), base: load(offset + 4), limit: load(offset + 12), flags: load(offset + 16))
    }

    private mutating func storeSegment(_ value: SegmentState, at offset: Int) {
        store(value.selector, offset)
        store(value.base, offset + 4)
        store(value.limit, offset + 12)
        store(value.flags, offset + 16)
    }
}
