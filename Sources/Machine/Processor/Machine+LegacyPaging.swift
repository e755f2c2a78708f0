import X86

// Paging outside of long mode: 32-bit and PAE (Intel SDM volume 3, 4.3 and 4.4)
extension Machine {
    /// Translates a linear address of 32 bits.
    func translateLegacy(_ linear: UInt64, _ kind: AccessKind, isUser: Bool) throws(AccessFailure) -> Translation {
        let system = processor.system
        let address = linear & 0xFFFF_FFFF
        let isWide = system.pointee.cr4 & CR4.physicalAddressExtension != 0
        let noExecute = isWide && system.pointee.efer & EFER.noExecute != 0
        func fault(present: Bool, reserved: Bool = false) -> AccessFailure {
            var code: UInt32 = present ? 1 : 0
            if kind == .write { code |= 2 }
            if isUser { code |= 4 }
            if reserved { code |= 8 }
            if kind == .execute, noExecute || system.pointee.cr4 & CR4.supervisorExecutionPrevention != 0 { code |= 16 }
            return .exception(
                GuestException(
                    vector: ExceptionVector.pageFault.rawValue, errorCode: code, faultAddress: address))
        }
        var directory = system.pointee.cr3 & 0xFFFF_F000
        if isWide {
            // The four pointers are read from memory each time; a processor keeps them from the load of CR3.
            let pointer = try readTableEntry((system.pointee.cr3 & 0xFFFF_FFE0) + (address >> 30) * 8)
            guard pointer & 1 != 0 else { throw fault(present: false) }
            directory = pointer & 0x000F_FFFF_FFFF_F000
        }
        func entry(_ table: UInt64, _ shift: UInt64) throws(AccessFailure) -> (address: UInt64, value: UInt64) {
            if isWide {
                let place = table + ((address >> shift) & 511) * 8
                return (place, try readTableEntry(place))
            }
            let place = table + ((address >> shift) & 1023) * 4
            let both = try readTableEntry(place & ~7)
            return (place, place & 4 == 0 ? both & 0xFFFF_FFFF : both >> 32)
        }
        let largeShift: UInt64 = isWide ? 21 : 22
        let upper = try entry(directory, largeShift)
        guard upper.value & 1 != 0 else { throw fault(present: false) }
        if isWide, upper.value >> 63 != 0, !noExecute { throw fault(present: true, reserved: true) }
        let allowsLarge = isWide || system.pointee.cr4 & CR4.pageSizeExtensions != 0
        if upper.value & 0x80 != 0, allowsLarge {
            try judge(
                kind, isUser: isUser, userAllowed: upper.value & 4 != 0, writeAllowed: upper.value & 2 != 0,
                executeAllowed: !isWide || upper.value >> 63 == 0, fault: fault(present: true))
            try setLegacyBits(upper.address, kind == .write ? 0x60 : 0x20)
            let mask = (UInt64(1) << largeShift) - 1
            // Without PAE, bits 13-20 of the entry are bits 32-39 of the address (PSE-36).
            let frame =
                isWide
                ? upper.value & 0x000F_FFFF_FFE0_0000
                : upper.value & 0xFFC0_0000 | (upper.value & 0x1F_E000) << 19
            return result(
                frame | address & mask, kind, isUser: isUser, isDirty: upper.value & 0x40 != 0,
                writeAllowed: upper.value & 2 != 0, size: mask + 1)
        }
        let lower = try entry(upper.value & (isWide ? 0x000F_FFFF_FFFF_F000 : 0xFFFF_F000), 12)
        guard lower.value & 1 != 0 else { throw fault(present: false) }
        if isWide, lower.value >> 63 != 0, !noExecute { throw fault(present: true, reserved: true) }
        let both = upper.value & lower.value
        try judge(
            kind, isUser: isUser, userAllowed: both & 4 != 0, writeAllowed: both & 2 != 0,
            executeAllowed: !isWide || (upper.value | lower.value) >> 63 == 0, fault: fault(present: true))
        try setLegacyBits(upper.address, 0x20)
        try setLegacyBits(lower.address, kind == .write ? 0x60 : 0x20)
        return result(
            lower.value & (isWide ? 0x000F_FFFF_FFFF_F000 : 0xFFFF_F000) | address & 4095, kind, isUser: isUser,
            isDirty: lower.value & 0x40 != 0, writeAllowed: both & 2 != 0, size: 4096)
    }

    private func result(
        _ physical: UInt64, _ kind: AccessKind, isUser: Bool, isDirty: Bool, writeAllowed: Bool, size: UInt64
    ) -> Translation {
        let writable = writeAllowed || (!isUser && processor.system.pointee.cr0 & CR0.writeProtect == 0)
        return Translation(
            physicalAddress: physical, mayWrite: (isDirty || kind == .write) && writable && kind != .execute,
            pageSize: size)
    }

    /// Sets bits of an entry of 4 or 8 bytes.
    private func setLegacyBits(_ address: UInt64, _ bits: UInt64) throws(AccessFailure) {
        try setTableBits(address & ~7, address & 4 == 0 ? bits : bits << 32)
    }
}
