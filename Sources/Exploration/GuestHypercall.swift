/// What a guest can ask of the engine.
///
/// The instruction is a long NOP, so a guest that runs on a processor or under another engine passes over it:
/// `0F 1F 84 00` followed by the little-endian word `0x534D0000 | number` as the displacement of its address. It is 8 bytes long.
/// RAX holds 0 before it and the result behind it, so a program sees a result of 0 where no engine listens. Arguments are in
/// RDI, RSI and RDX. No other register, flag or byte of memory changes, unless the table says so. Memory that an argument names
/// and that is not present faults as a load or store by the instruction would; the instruction is then repeated.
///
/// | number | name | RDI | RSI | RDX | RAX behind it, effect |
/// |---|---|---|---|---|---|
/// | 0 | `stemma_version` | | | | `0x0001_0000`: major version in bits 16-31, minor in bits 0-15 |
/// | 1 | `stemma_make_symbolic` | buffer | size in bytes | name, NUL-terminated | 1; the bytes become symbolic, their present values are the first example |
/// | 2 | `stemma_assume` | condition | | | 1; the path goes on with inputs for which RDI is not 0, or ends |
/// | 3 | `stemma_print` | text, NUL-terminated | | | 1; the text is added to the path's log |
/// | 4 | `stemma_end_path` | status | message, NUL-terminated | | does not return: the path ends |
/// | 5 | `stemma_path_id` | | | | the number of the path |
///
/// Any other number leaves RAX 0.
package enum GuestHypercall: UInt16, Sendable, CaseIterable {
    case version = 0
    case makeSymbolic = 1
    case assume = 2
    case print = 3
    case endPath = 4
    case pathID = 5

    /// What `stemma_version` gives: 1.0.
    package static let interfaceVersion: UInt64 = 0x0001_0000
    /// Bytes of the instruction.
    package static let instructionLength: UInt64 = 8
    /// Longest symbolic buffer.
    package static let maximumBufferSize: UInt64 = 1 << 20
    /// Longest text that is read; the rest is cut off.
    package static let maximumTextLength = 4096
}
