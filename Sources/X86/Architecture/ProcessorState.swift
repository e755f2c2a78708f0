/// One segment register with its hidden part.
package struct SegmentState: Sendable, Hashable {
    package var selector: UInt16
    package var base: UInt64
    package var limit: UInt32
    /// Descriptor attributes as in the second descriptor word: type in bits 8-11, S 12, DPL 13-14, P 15, AVL 20, L 21, D/B 22, G 23
    /// (QEMU's `flags`).
    package var attributes: UInt32

    package init(selector: UInt16 = 0, base: UInt64 = 0, limit: UInt32 = 0, attributes: UInt32 = 0) {
        self.selector = selector
        self.base = base
        self.limit = limit
        self.attributes = attributes
    }

    /// Descriptor privilege level.
    package var privilegeLevel: Int { Int(attributes >> 13) & 3 }
    /// The L bit: 64-bit code.
    @inlinable
    package var isLong: Bool { attributes & (1 << 21) != 0 }
    /// The D/B bit: 32-bit default size.
    @inlinable
    package var isBig: Bool { attributes & (1 << 22) != 0 }
}

/// GDTR or IDTR.
package struct DescriptorTableState: Sendable, Hashable {
    package var base: UInt64
    package var limit: UInt16

    package init(base: UInt64 = 0, limit: UInt16 = 0) {
        self.base = base
        self.limit = limit
    }
}

/// An 80-bit x87 register.
package struct ExtendedFloat: Sendable, Hashable {
    package var significand: UInt64
    /// Sign in bit 15, biased exponent below.
    package var signAndExponent: UInt16

    package init(significand: UInt64 = 0, signAndExponent: UInt16 = 0) {
        self.significand = significand
        self.signAndExponent = signAndExponent
    }
}

/// The x87 unit and MXCSR.
package struct FloatingPointState: Sendable, Hashable {
    package var controlWord: UInt16 = 0x37F
    /// Status word with TOP in bits 11-13.
    package var statusWord: UInt16 = 0
    /// One bit per physical register, 1 = empty (QEMU's fptags; the complement of FXSAVE's abridged tag).
    package var emptyTags: UInt8 = 0xFF
    package var lastOpcode: UInt16 = 0
    package var lastInstruction: UInt64 = 0
    package var lastData: UInt64 = 0
    /// Physical registers R0-R7 (not rotated by TOP).
    package var registers: [ExtendedFloat] = Array(repeating: ExtendedFloat(), count: 8)
    package var mxcsr: UInt32 = 0x1F80

    package init() {}
}

/// The architectural state of one processor as a plain value: what a snapshot's `cpu` section says.
package struct ProcessorState: Sendable, Hashable {
    /// RAX RCX RDX RBX RSP RBP RSI RDI R8-R15.
    package var general: [UInt64] = Array(repeating: 0, count: 16)
    package var rip: UInt64 = 0
    /// The complete RFLAGS.
    package var rflags: UInt64 = RFlags.reserved1
    /// ES CS SS DS FS GS.
    package var segments: [SegmentState] = Array(repeating: SegmentState(), count: 6)
    package var localDescriptorTable = SegmentState()
    package var task = SegmentState()
    package var globalDescriptorTable = DescriptorTableState()
    package var interruptDescriptorTable = DescriptorTableState()
    package var cr0: UInt64 = 0x10
    package var cr2: UInt64 = 0
    package var cr3: UInt64 = 0
    package var cr4: UInt64 = 0
    /// Task priority (CR8).
    package var cr8: UInt64 = 0
    package var xcr0: UInt64 = 1
    /// DR0-DR7.
    package var debug: [UInt64] = [0, 0, 0, 0, 0, 0, 0xFFFF_0FF0, 0x400]
    package var floatingPoint = FloatingPointState()
    /// XMM and YMM registers: 16 registers of 4 little-endian 64-bit words.
    package var vectors: [UInt64] = Array(repeating: 0, count: 64)
    /// PKRU: two bits for each protection key, access and write denied.
    package var protectionKeys: UInt32 = 0

    package var efer: UInt64 = 0
    package var star: UInt64 = 0
    package var lstar: UInt64 = 0
    package var cstar: UInt64 = 0
    package var syscallMask: UInt64 = 0
    package var kernelGSBase: UInt64 = 0
    package var sysenterCS: UInt64 = 0
    package var sysenterESP: UInt64 = 0
    package var sysenterEIP: UInt64 = 0
    package var timeStampCounter: UInt64 = 0
    package var timeStampAux: UInt64 = 0
    package var timeStampAdjust: UInt64 = 0
    package var pat: UInt64 = 0x0007_0406_0007_0406
    package var apicBase: UInt64 = 0xFEE0_0900
    package var miscEnable: UInt64 = 1
    package var mtrrDefaultType: UInt64 = 0
    /// Every other MSR that is known to hold a value, by number.
    package var otherMSRs: [UInt32: UInt64] = [:]
    /// An NMI was taken, and its handler has not executed IRET yet.
    package var blocksNonMaskable = false
    /// HLT was executed and no interrupt came since.
    package var isHalted = false
    /// Exception that was being delivered when the snapshot was taken, if any.
    package var pendingException: UInt8?

    package init() {}

    /// Current privilege level: the DPL of SS.
    package var privilegeLevel: Int { segments[2].privilegeLevel }
}
