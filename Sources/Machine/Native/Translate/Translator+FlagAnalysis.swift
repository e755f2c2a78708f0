import X86

// What a block does with the flags that it finds
extension Translator {
    /// Finds out how the block treats the flags that it finds, and prepares for it.
    func beginFlags() {
        pending = .inherited
        killStart = -1
        var written: UInt8 = 0
        for (index, op) in operations.enumerated() {
            if op.operation == .helper, isInline(op) {
                if op.helper == .compareFloat {
                    if written == 0 { killStart = index }
                    return
                }
                continue
            }
            if op.operation == .helper {
                if written == 0 { return }
                break
            }
            var read: UInt8 = 0
            Self.forEachSource(op) { read |= FlagBits.bit($0) }
            if read & ~written != 0 {
                killStart = -1
                emitSettleCheck()
                return
            }
            if written != 0, op.mayFault || op.operation == .branch || op.operation.isTerminator { break }
            if op.operation.isTerminator { return }
            if op.operation == .store || op.operation == .requireAligned || op.operation == .branch { continue }
            let bit = FlagBits.bit(Int(op.destination.rawValue))
            if bit != 0 {
                if written == 0 { killStart = index }
                written |= bit
                if written == FlagBits.all { return }
            }
        }
        guard written != 0 else { return }
        killStart = -1
        emitSettleCheck()
    }

    /// Computes what earlier blocks left, if they left something.
    private func emitSettleCheck() {
        code.arithmetic(.compare, NativeFrame.pendingFlags, constant: 0, 32)
        addStub(.settle, from: code.jump(.notEqual))
        pending = .clear
    }

}
