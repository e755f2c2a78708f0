/// A repeated string instruction of 64-bit code with 64-bit addresses and without a segment that has a base.
///
/// Its block does one iteration: when RCX is 0 it goes on behind the instruction; else it does what ``kind`` says with the elements at
/// RSI and RDI, moves those registers by the element's size (backwards when DF is 1), counts RCX down, and goes on at itself or, after the last
/// iteration, behind the instruction.
package struct RepeatedString: Sendable, Hashable {
    package enum Kind: Sendable {
        /// MOVS: the element at RSI goes to RDI.
        case move
        /// STOS: RAX goes to RDI.
        case store
        /// SCAS: flags of RAX - the element at RDI; goes on while ZF is ``RepeatedString/goesOnWhileEqual``.
        case scan
        /// CMPS: flags of the element at RSI - the one at RDI; goes on alike.
        case compare
    }

    package let kind: Kind
    /// Bytes of an element: 1, 2, 4 or 8.
    package let elementSize: Int
    /// REPE, as opposed to REPNE, for SCAS and CMPS.
    package let goesOnWhileEqual: Bool

    package init(_ kind: Kind, elementSize: Int, goesOnWhileEqual: Bool) {
        self.kind = kind
        self.elementSize = elementSize
        self.goesOnWhileEqual = goesOnWhileEqual
    }
}
