/// Turns guest code into blocks of micro-operations.
package struct Lifter: Sendable {
    /// Instructions per block at most.
    package static let maximumInstructions = 48

    package let context: LiftContext

    package init(context: LiftContext) {
        self.context = context
    }

    /// Lifts the straight run of instructions at the start of `code`.
    ///
    /// - Parameters:
    ///   - code: bytes from `rip` on, normally to the end of the page.
    ///   - rip: virtual address of the first byte.
    ///   - maximumInstructions: where to stop at the latest.
    /// - Returns: nil when the first instruction goes beyond the end of `code`.
    package func lift(
        _ code: UnsafeRawBufferPointer, rip: UInt64, maximumInstructions: Int = Lifter.maximumInstructions
    ) -> Block? {
        var builder = BlockBuilder(context: context, rip: rip)
        return builder.build(code, maximumInstructions: maximumInstructions)
    }

    /// Bytes of the first instruction of `code`, decoded and not lifted; nil when it is none.
    package func length(_ code: [UInt8], rip: UInt64) -> Int? {
        var decoder = InstructionDecoder(context: context)
        return code.withUnsafeBytes { buffer in
            if case .instruction(let found) = decoder.decode(buffer, rip: rip) { found.length } else { nil }
        }
    }
}
