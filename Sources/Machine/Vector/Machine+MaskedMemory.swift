import X86

// Gathers and masked moves: elements that the mask leaves out are not touched and cannot fault
extension Machine {
    /// The elements of a mask whose top bits are set.
    private func chosen(_ mask: VectorWords, _ count: Int, bits: Int) -> [Int] {
        (0..<count).filter { mask[$0, bits] >> UInt64(bits - 1) != 0 }
    }

    func maskedLoad(_ op: MicroOp, address: UInt64) throws(AccessFailure) {
        let words = op.detail & 0x100 != 0 ? 4 : 2
        let byteCount = op.detail & 0xF
        let bits = byteCount * 8
        guard bits > 0 else { throw unsupported() }
        var result = VectorWords()
        for index in chosen(vector(op.b, words), words * 64 / bits, bits: bits) {
            result[index, bits] = try load(address &+ UInt64(index * byteCount), byteCount: byteCount).low
        }
        setVector(op.destination, result, words)
    }

    func maskedStore(_ op: MicroOp, address: UInt64) throws(AccessFailure) {
        let words = op.detail & 0x100 != 0 ? 4 : 2
        let byteCount = op.detail & 0xF
        let bits = byteCount * 8
        guard bits > 0 else { throw unsupported() }
        let source = vector(op.destination, words)
        let indices = chosen(vector(op.b, words), words * 64 / bits, bits: bits)
        for index in indices {
            _ = try load(address &+ UInt64(index * byteCount), byteCount: byteCount, forStore: true)
        }
        for index in indices {
            try store(address &+ UInt64(index * byteCount), byteCount: byteCount, low: source[index, bits])
        }
    }

    /// A gather. The elements done before a fault stay and their masks are cleared, so that the restart goes on behind them
    /// (Intel SDM volume 2, VPGATHERDD). What else a fault leaves behind is what processors do: the other masks are all ones or zero, and
    /// what lies above the vector length is zero (in the destination once an element is there).
    func gather(_ op: MicroOp, base: UInt64, segment: UInt64) throws(AccessFailure) {
        let form = GatherForm(detail: op.detail, argument: op.argument)
        let maskSlot = Slot.xmm(form.mask)
        let indices = vector(.xmm(form.index), 4)
        var mask = vector(maskSlot, 4)
        var result = vector(op.destination, 4)
        let bits = form.elementBits
        var failure: AccessFailure?
        var isUntouched = true
        for index in 0..<form.count where mask[index, bits] >> UInt64(bits - 1) != 0 {
            let raw = indices[index, form.indexBits]
            let offset = form.indexBits == 64 ? raw : UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: raw)))
            var address = base &+ offset << UInt64(form.scaleShift)
            if form.hasShortAddresses { address = (address & 0xFFFF_FFFF) &+ segment }
            do throws(AccessFailure) {
                result[index, bits] = try load(address, byteCount: bits / 8).low
                mask[index, bits] = 0
                isUntouched = false
            } catch {
                failure = error
                break
            }
        }
        let width = form.isWide ? 256 : 128
        for index in 0..<width / bits { mask[index, bits] = mask[index, bits] >> UInt64(bits - 1) != 0 ? ~0 : 0 }
        for index in width / 64..<4 {
            mask[word: index] = 0
            if !isUntouched { result[word: index] = 0 }
        }
        if failure == nil {
            for index in form.count..<256 / bits { result[index, bits] = 0 }
            mask = VectorWords()
        }
        setVector(op.destination, result, 4)
        setVector(maskSlot, mask, 4)
        if let failure { throw failure }
    }
}
