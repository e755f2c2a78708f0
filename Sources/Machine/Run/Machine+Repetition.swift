import X86

// Repeated string instructions in pieces of a page, for both engines
extension Machine {
    /// Fewer iterations than this are left to the block.
    static let fewestIterations: UInt64 = 8

    /// Does iterations of the repeated string instruction at RIP, exactly as its block would do them one after the other.
    ///
    /// Only pages that the TLB has are touched, so nothing faults and no device sees an access; the last iteration is always left to the
    /// block, as is everything else that is rare. `SystemState.stop` is not passed.
    func repeatString(_ repetition: RepeatedString) {
        let processor = processor
        let slots = processor.slots
        let system = processor.system
        let count = slots[1]
        guard count >= Self.fewestIterations, slots[22] == 0, system.pointee.stop > system.pointee.retired else {
            return
        }
        let entries = processor.tlb.entries + translationSet * TLB.setCount
        let size = UInt64(repetition.elementSize)
        let writes = repetition.kind == .move || repetition.kind == .store
        let readsSource = repetition.kind == .move || repetition.kind == .compare
        var left = min(count &- 1, system.pointee.stop &- system.pointee.retired)
        while left > 0 {
            let (source, target) = (slots[6], slots[7])
            guard let to = Self.host(target, entries, isWrite: writes) else { return }
            var part = min(left, (4096 &- target & 4095) / size)
            var from = to
            if readsSource {
                guard let place = Self.host(source, entries, isWrite: false) else { return }
                from = place
                part = min(part, (4096 &- source & 4095) / size)
            }
            // An element that crosses a page boundary.
            guard part > 0 else { return }
            let done: UInt64
            switch repetition.elementSize {
            case 1: done = iterate(repetition, from, to, part, of: UInt8.self)
            case 2: done = iterate(repetition, from, to, part, of: UInt16.self)
            case 4: done = iterate(repetition, from, to, part, of: UInt32.self)
            default: done = iterate(repetition, from, to, part, of: UInt64.self)
            }
            if readsSource { slots[6] = source &+ done &* size }
            slots[7] = target &+ done &* size
            slots[1] &-= done
            system.pointee.retired &+= done
            left &-= done
            if done < part { return }
        }
    }

    /// The host's address of a guest address that the TLB has.
    @inline(__always)
    private static func host(
        _ address: UInt64, _ entries: UnsafeMutablePointer<TLBEntry>, isWrite: Bool
    ) -> UnsafeMutableRawPointer? {
        let entry = entries + Int((address >> 12) & UInt64(TLB.setCount - 1))
        guard (isWrite ? entry.pointee.write : entry.pointee.read) == address & ~4095 else { return nil }
        return entry.pointee.host.map { $0 + Int(address & 4095) }
    }

    /// Up to `count` iterations inside a page.
    ///
    /// Unsafe: `count` elements from `source` and `target` on are inside of pages that the TLB entries keep valid.
    /// - Returns: how many; fewer when the one behind them ends the instruction.
    @inline(__always)
    private func iterate<Element: FixedWidthInteger & UnsignedInteger>(
        _ repetition: RepeatedString, _ source: UnsafeMutableRawPointer, _ target: UnsafeMutableRawPointer,
        _ count: UInt64, of type: Element.Type
    ) -> UInt64 {
        let size = MemoryLayout<Element>.size
        let count = Int(count)
        let fixed = Element(truncatingIfNeeded: slots[0])
        switch repetition.kind {
        case .move:
            if target <= source || target >= source + count * size {
                target.copyMemory(from: source, byteCount: count * size)
            } else {
                // What was copied is copied again: a pattern.
                for index in 0..<count {
                    target.storeBytes(
                        of: source.loadUnaligned(fromByteOffset: index * size, as: Element.self),
                        toByteOffset: index * size, as: Element.self)
                }
            }
            return UInt64(count)
        case .store:
            for index in 0..<count { target.storeBytes(of: fixed, toByteOffset: index * size, as: Element.self) }
            return UInt64(count)
        case .scan, .compare:
            let isScan = repetition.kind == .scan
            func pair(_ index: Int) -> (Element, Element) {
                let right = target.loadUnaligned(fromByteOffset: index * size, as: Element.self)
                return (isScan ? fixed : source.loadUnaligned(fromByteOffset: index * size, as: Element.self), right)
            }
            var index = 0
            while index < count {
                let (left, right) = pair(index)
                if (left == right) != repetition.goesOnWhileEqual { break }
                index += 1
            }
            if index > 0 {
                let (left, right) = pair(index - 1)
                setFlags(ofDifference: left, right)
            }
            return UInt64(index)
        }
    }

    private func setFlags<Element: FixedWidthInteger & UnsignedInteger>(ofDifference a: Element, _ b: Element) {
        let processor = processor
        let result = a &- b
        processor.system.pointee.pendingFlags = 0
        processor[.cf] = a < b ? 1 : 0
        processor[.pf] = UInt64(~UInt8(truncatingIfNeeded: result).nonzeroBitCount & 1)
        processor[.af] = UInt64(truncatingIfNeeded: (a ^ b ^ result) >> 4) & 1
        processor[.zf] = a == b ? 1 : 0
        processor[.sf] = UInt64(truncatingIfNeeded: result >> (Element.bitWidth - 1)) & 1
        processor[.of] = UInt64(truncatingIfNeeded: ((a ^ b) & (a ^ result)) >> (Element.bitWidth - 1)) & 1
    }
}
