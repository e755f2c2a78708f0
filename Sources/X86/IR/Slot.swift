/// One 64-bit cell of the slot file that micro-operations read and write.
///
/// The slot file is flat. Guest-visible slots come first and are the whole user-visible integer, flag and vector state;
/// temporaries follow. A temporary is written exactly once in its block, before it is read, and means nothing
/// outside of that block.
///
/// | slots | content |
/// |---|---|
/// | 0-15 | RAX RCX RDX RBX RSP RBP RSI RDI R8-R15 (encoding order) |
/// | 16 | RIP (written when a block is left, and by helpers that transfer control) |
/// | 17-23 | CF PF AF ZF SF DF OF, each 0 or 1 |
/// | 24-29 | segment bases ES CS SS DS FS GS |
/// | 30 | `zero`: always reads 0, never written |
/// | 31 | `immediate`: reads as the micro-operation's `immediate` field, never written |
/// | 32-63 | XMM0 low, XMM0 high, XMM1 low, ... |
/// | 64-95 | bits 128-191 and 192-255 of YMM0-YMM15 |
/// | 96-103 | MMX/x87 significands (not lifted yet: x87 runs in helpers on concrete state) |
/// | 104-127 | reserved |
/// | 128-1023 | temporaries of the block |
package struct Slot: Hashable, Sendable, Comparable {
    package let rawValue: UInt16

    @inlinable
    package init(_ rawValue: UInt16) { self.rawValue = rawValue }

    @inlinable
    package static func < (left: Slot, right: Slot) -> Bool { left.rawValue < right.rawValue }

    package static let rax = Slot(0)
    package static let rcx = Slot(1)
    package static let rdx = Slot(2)
    package static let rbx = Slot(3)
    package static let rsp = Slot(4)
    package static let rbp = Slot(5)
    package static let rsi = Slot(6)
    package static let rdi = Slot(7)
    package static let r8 = Slot(8)
    package static let r9 = Slot(9)
    package static let r10 = Slot(10)
    package static let r11 = Slot(11)
    package static let r12 = Slot(12)
    package static let r13 = Slot(13)
    package static let r14 = Slot(14)
    package static let r15 = Slot(15)
    package static let rip = Slot(16)
    package static let cf = Slot(17)
    package static let pf = Slot(18)
    package static let af = Slot(19)
    package static let zf = Slot(20)
    package static let sf = Slot(21)
    package static let df = Slot(22)
    package static let of = Slot(23)
    package static let esBase = Slot(24)
    package static let csBase = Slot(25)
    package static let ssBase = Slot(26)
    package static let dsBase = Slot(27)
    package static let fsBase = Slot(28)
    package static let gsBase = Slot(29)
    package static let zero = Slot(30)
    package static let immediate = Slot(31)
    package static let firstTemporary = Slot(128)

    /// Number of slots that are guest-visible or reserved; `fork` copies these.
    package static let guestCount = 128
    /// Length of a complete slot file, temporaries included.
    package static let count = 1024

    /// Slot of a general register by its encoding number (0 = RAX ... 15 = R15).
    @inlinable
    package static func general(_ number: Int) -> Slot { Slot(UInt16(truncatingIfNeeded: number & 15)) }

    /// Slot of the low 64 bits of XMM `number`; the high half is the next slot.
    @inlinable
    package static func xmm(_ number: Int) -> Slot { Slot(UInt16(truncatingIfNeeded: 32 + 2 * (number & 15))) }

    /// Slot of bits 128-191 of YMM `number`; bits 192-255 are the next slot.
    @inlinable
    package static func ymmUpper(_ number: Int) -> Slot { Slot(UInt16(truncatingIfNeeded: 64 + 2 * (number & 15))) }

    /// Base address of a segment (0 = ES, CS, SS, DS, FS, 5 = GS).
    @inlinable
    package static func segmentBase(_ number: Int) -> Slot { Slot(UInt16(truncatingIfNeeded: 24 + number)) }

    /// The slot after this one: the high half of a 128-bit value.
    @inlinable
    package var high: Slot { Slot(rawValue &+ 1) }

    /// Where bits 128-255 of a 256-bit value begin whose lowest word is this slot: the YMM register's upper slots, or the next
    /// pair of four neighbouring temporaries.
    @inlinable
    package var upper: Slot { Slot(rawValue < 64 ? rawValue &+ 32 : rawValue &+ 2) }

    /// True for slots that belong to one block only.
    @inlinable
    package var isTemporary: Bool { rawValue >= 128 }

    /// The six arithmetic flags, without DF.
    package static let arithmeticFlags: [Slot] = [.cf, .pf, .af, .zf, .sf, .of]
}

extension Slot: CustomStringConvertible {
    package var description: String {
        let names = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
            "r15", "rip", "cf", "pf", "af", "zf", "sf", "df", "of", "es", "cs", "ss", "ds", "fs", "gs", "zero", "#",
        ]
        let index = Int(rawValue)
        if index < names.count { return names[index] }
        switch index {
        case 32..<64: return "xmm\((index - 32) / 2).\(index % 2 == 0 ? "l" : "h")"
        case 64..<96: return "ymm\((index - 64) / 2).\(index % 2 == 0 ? "ul" : "uh")"
        case 96..<128: return "slot\(index)"
        default: return "t\(index - 128)"
        }
    }
}
