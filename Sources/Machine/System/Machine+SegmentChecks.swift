import X86

// Checks of accesses through segments outside of 64-bit mode (Intel SDM volume 3, 5.3 to 5.5)
extension Machine {
    /// `Helper.checkSegment`.
    func checkSegment(_ index: Int, offset: UInt64, byteCount: Int, isWrite: Bool) throws(AccessFailure) {
        let segment = processor.system.pointee.segments[min(index, 5)]
        try checkSegment(segment, isStack: index == 2, offset: offset, byteCount: byteCount, isWrite: isWrite)
    }

    /// - Parameter isStack: report #SS instead of #GP.
    func checkSegment(
        _ segment: SegmentState, isStack: Bool, offset: UInt64, byteCount: Int, isWrite: Bool
    ) throws(AccessFailure) {
        let failure = AccessFailure.exception(
            isStack ? GuestException(.stackFault, errorCode: 0) : .generalProtection)
        let attributes = segment.attributes
        let isCode = attributes & 0x1800 == 0x1800
        if !processor.system.isReal {
            // Present, and code or data.
            guard attributes & 0x9000 == 0x9000 else { throw failure }
            if isWrite {
                guard !isCode, attributes & 0x200 != 0 else { throw AccessFailure.exception(.generalProtection) }
            } else {
                guard !isCode || attributes & 0x200 != 0 else { throw AccessFailure.exception(.generalProtection) }
            }
        }
        let first = offset & 0xFFFF_FFFF
        let last = first + UInt64(max(byteCount, 1) - 1)
        if !isCode, attributes & 0x400 != 0 {
            // Expand-down: everything above the limit.
            guard first > UInt64(segment.limit), last <= (segment.isBig ? 0xFFFF_FFFF : 0xFFFF) else { throw failure }
        } else {
            guard last <= UInt64(segment.limit) else { throw failure }
        }
    }

    /// A segment register in real-address mode: base from the selector, limit and attributes as they are.
    func setRealSegment(_ index: Int, _ selector: UInt16) {
        let system = processor.system
        system.pointee.segments[index].selector = selector
        system.pointee.segments[index].base = UInt64(selector) << 4
        processor[.segmentBase(index)] = UInt64(selector) << 4
        processor.modeChanged()
    }
}
