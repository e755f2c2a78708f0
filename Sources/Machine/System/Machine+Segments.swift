import X86

// Segment registers and descriptor tables
extension Machine {
    /// MOV and POP to a segment register (not CS).
    func loadDataSegment(_ index: Int, _ selector: UInt16) throws(AccessFailure) {
        let system = processor.system
        guard index != 1 else { throw .exception(.invalidOpcode) }
        if system.isReal {
            setRealSegment(index, selector)
            return
        }
        let level = system.pointee.privilegeLevel
        if selector & 0xFFFC == 0 {
            // A null selector; SS takes it only in 64-bit mode below level 3. FS and GS lose their bases (as on Intel).
            guard index != 2 || (system.isLongCode && level < 3 && Int(selector & 3) == level) else {
                throw .exception(.generalProtection)
            }
            system.pointee.segments[index] = SegmentState(
                selector: selector, attributes: index == 2 ? UInt32(level) << 13 : 0)
            processor[.segmentBase(index)] = 0
            processor.modeChanged()
            return
        }
        let error = UInt32(selector & 0xFFFC)
        let segment = try descriptor(selector)
        let requested = Int(selector & 3)
        let isCode = segment.attributes & 0x1800 == 0x1800
        guard segment.attributes & 0x1000 != 0 else {
            throw .exception(GuestException(.generalProtection, errorCode: error))
        }
        if index == 2 {
            guard requested == level, segment.privilegeLevel == level, segment.attributes & 0x1A00 == 0x1200 else {
                throw .exception(GuestException(.generalProtection, errorCode: error))
            }
            guard segment.attributes & 0x8000 != 0 else {
                throw .exception(GuestException(.stackFault, errorCode: error))
            }
        } else {
            let isReadable = !isCode || segment.attributes & 0x200 != 0
            let isConforming = isCode && segment.attributes & 0x400 != 0
            guard isReadable, isConforming || (max(requested, level) <= segment.privilegeLevel) else {
                throw .exception(GuestException(.generalProtection, errorCode: error))
            }
            guard segment.attributes & 0x8000 != 0 else {
                throw .exception(GuestException(.segmentNotPresent, errorCode: error))
            }
        }
        try setDescriptorBit(selector, 40)
        system.pointee.segments[index] = segment
        system.pointee.segments[index].attributes |= 0x100
        processor[.segmentBase(index)] = segment.base
        processor.modeChanged()
    }

    /// Sets a bit of a descriptor (accessed, busy) when it is clear.
    private func setDescriptorBit(_ selector: UInt16, _ bit: UInt64) throws(AccessFailure) {
        let address = try descriptorAddress(selector)
        let low = try load(address, byteCount: 8, asSupervisor: true).low
        guard low & (1 << bit) == 0 else { return }
        try store(address, byteCount: 8, low: low | 1 << bit, asSupervisor: true)
    }

    /// A system descriptor: 16 bytes in long mode, else 8.
    private func systemDescriptor(_ selector: UInt16, type: UInt32) throws(AccessFailure) -> SegmentState {
        let error = UInt32(selector & 0xFFFC)
        guard selector & 4 == 0 else { throw .exception(GuestException(.generalProtection, errorCode: error)) }
        let address = try descriptorAddress(selector)
        let isLong = processor.system.isLongMode
        let raw = try load(address, byteCount: isLong ? 16 : 8, asSupervisor: true)
        var segment = Self.segment(selector, raw.low)
        // The busy or free task segment of 16 bits has a number of its own, and only outside of long mode.
        let found = (segment.attributes >> 8) & 0x1F
        guard found == type || (type == 9 && found == 1 && !isLong) else {
            throw .exception(GuestException(.generalProtection, errorCode: error))
        }
        guard segment.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.segmentNotPresent, errorCode: error))
        }
        if isLong { segment.base |= raw.high << 32 }
        return segment
    }

    func loadLocalTable(_ selector: UInt16) throws(AccessFailure) {
        guard selector & 0xFFFC != 0 else {
            processor.system.pointee.localDescriptorTable = SegmentState(selector: selector)
            return
        }
        processor.system.pointee.localDescriptorTable = try systemDescriptor(selector, type: 2)
    }

    func loadTaskRegister(_ selector: UInt16) throws(AccessFailure) {
        guard selector & 0xFFFC != 0 else { throw .exception(.generalProtection) }
        var task = try systemDescriptor(selector, type: 9)
        try setDescriptorBit(selector, 41)
        task.attributes |= 0x200
        processor.system.pointee.task = task
    }

    /// LAR, LSL, VERR, VERW: ZF says whether the selector may be looked at.
    func queryDescriptor(
        _ kind: Helper, _ selector: UInt16, otherwise: UInt64, _ destination: Slot
    ) throws(AccessFailure) {
        let processor = processor
        let level = max(processor.system.pointee.privilegeLevel, Int(selector & 3))
        let isLong = processor.system.isLongMode
        var isAllowed = false
        var value = otherwise
        do throws(AccessFailure) {
            let low = try load(try descriptorAddress(selector), byteCount: 8, asSupervisor: true).low
            let segment = Self.segment(selector, low)
            let type = (segment.attributes >> 8) & 0x1F
            let isSystem = type & 0x10 == 0
            let isCode = type & 0x18 == 0x18
            let isConforming = type & 0x1C == 0x1C
            isAllowed = isConforming || level <= segment.privilegeLevel
            switch kind {
            case .loadAccessRights:
                if isSystem, ![2, 9, 0xB, 0xC].contains(type), isLong || ![1, 3, 4, 5].contains(type) {
                    isAllowed = false
                }
                value = (low >> 32) & 0x00FF_FF00
            case .loadSegmentLimit:
                if isSystem, ![2, 9, 0xB].contains(type), isLong || ![1, 3].contains(type) { isAllowed = false }
                value = UInt64(segment.limit)
            case .verifyRead: if isSystem || (isCode && type & 2 == 0) { isAllowed = false }
            default: if isSystem || isCode || type & 2 == 0 { isAllowed = false }
            }
        } catch {
            // Outside of the table: not allowed, no fault.
            guard case .exception(let exception) = error, exception.vector == 13 else { throw error }
        }
        processor[.zf] = isAllowed ? 1 : 0
        if kind == .loadAccessRights || kind == .loadSegmentLimit {
            processor[destination] = isAllowed ? value : otherwise
        }
    }
}
