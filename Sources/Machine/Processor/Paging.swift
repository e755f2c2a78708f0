import X86

/// What an access wants to do.
package enum AccessKind: Sendable {
    case read
    case write
    case execute
}

/// The result of a page walk.
package struct Translation: Sendable {
    /// Guest-physical address of the byte.
    package var physicalAddress: UInt64
    /// The page may be written with the current privilege and its dirty bit is set.
    package var mayWrite: Bool
    /// Size of the page: 4 KiB, 2 MiB, 4 MiB or 1 GiB.
    package var pageSize: UInt64 = 4096
}

extension Machine {
    /// Translates a virtual address with the active processor's tables and rights; sets accessed and dirty bits.
    ///
    /// - Parameter asSupervisor: system accesses (descriptor tables, TSS, interrupt stacks), whatever the current privilege.
    package func translate(
        _ address: UInt64, _ kind: AccessKind, asSupervisor: Bool = false
    ) throws(AccessFailure) -> Translation {
        let system = processor.system
        guard system.isPaging else {
            return Translation(physicalAddress: address & 0xFFFF_FFFF, mayWrite: true)
        }
        guard system.isLongMode else {
            return try translateLegacy(
                address, kind, isUser: system.pointee.privilegeLevel == 3 && !asSupervisor)
        }
        let fiveLevels = system.pointee.cr4 & CR4.fiveLevelPaging != 0
        let bits: UInt64 = fiveLevels ? 57 : 48
        let top = Int64(bitPattern: address) >> (bits - 1)
        guard top == 0 || top == -1 else { throw .exception(.generalProtection) }
        return try walk(
            address, kind, levels: fiveLevels ? 5 : 4, isUser: system.pointee.privilegeLevel == 3 && !asSupervisor)
    }

    private func walk(
        _ address: UInt64, _ kind: AccessKind, levels: Int, isUser: Bool
    ) throws(AccessFailure) -> Translation {
        let system = processor.system
        let noExecute = system.pointee.efer & EFER.noExecute != 0
        func fault(present: Bool, reserved: Bool = false, key: Bool = false) -> AccessFailure {
            var code: UInt32 = present ? 1 : 0
            if kind == .write { code |= 2 }
            if isUser { code |= 4 }
            if reserved { code |= 8 }
            if key { code |= 32 }
            if kind == .execute, noExecute || system.pointee.cr4 & CR4.supervisorExecutionPrevention != 0 { code |= 16 }
            return .exception(
                GuestException(
                    vector: ExceptionVector.pageFault.rawValue, errorCode: code, faultAddress: address))
        }
        let frameMask: UInt64 = 0x000F_FFFF_FFFF_F000
        var table = system.pointee.cr3 & frameMask
        var userAllowed = true
        var writeAllowed = true
        var executeAllowed = true
        var level = levels
        // Addresses of the entries on the way, to set their accessed bits once the access is known to be allowed.
        var path = InlineArray<5, UInt64>(repeating: 0)
        // The entries' bits that all have.
        var common = ~UInt64(0)
        while true {
            let shift = UInt64(12 + 9 * (level - 1))
            let entryAddress = table + ((address >> shift) & 511) * 8
            let entry = try readTableEntry(entryAddress)
            guard entry & 1 != 0 else { throw fault(present: false) }
            if entry & (1 << 63) != 0 {
                guard noExecute else { throw fault(present: true, reserved: true) }
                executeAllowed = false
            }
            if entry & 2 == 0 { writeAllowed = false }
            if entry & 4 == 0 { userAllowed = false }
            path[level - 1] = entryAddress
            common &= entry
            let isLarge = entry & 0x80 != 0 && (level == 2 || level == 3)
            if level > 3, entry & 0x80 != 0 { throw fault(present: true, reserved: true) }
            guard level == 1 || isLarge else {
                table = entry & frameMask
                level -= 1
                continue
            }
            try judge(
                kind, isUser: isUser, userAllowed: userAllowed, writeAllowed: writeAllowed,
                executeAllowed: executeAllowed, fault: fault(present: true))
            // Protection keys judge data accesses to user pages, of every level (Intel SDM volume 3, 4.6.2).
            var keyAllowsWriting = true
            if userAllowed, kind != .execute, system.pointee.cr4 & CR4.protectionKeys != 0 {
                let rights = system.pointee.protectionKeys >> UInt32(((entry >> 59) & 15) * 2)
                keyAllowsWriting = rights & 2 == 0 || !(isUser || system.pointee.cr0 & CR0.writeProtect != 0)
                if rights & 1 != 0 || (kind == .write && !keyAllowsWriting) { throw fault(present: true, key: true) }
            }
            if common & 0x20 == 0 {
                for upper in stride(from: levels, to: level, by: -1) { try setTableBits(path[upper - 1], 0x20) }
            }
            let wanted: UInt64 = kind == .write ? 0x60 : 0x20
            if entry & wanted != wanted { try setTableBits(entryAddress, wanted) }
            let pageMask = (UInt64(1) << shift) - 1
            let isDirty = entry & 0x40 != 0 || kind == .write
            let writable = writeAllowed || (!isUser && system.pointee.cr0 & CR0.writeProtect == 0)
            return Translation(
                physicalAddress: (entry & frameMask & ~pageMask) | (address & pageMask),
                mayWrite: isDirty && writable && keyAllowsWriting && kind != .execute, pageSize: pageMask + 1)
        }
    }

    func judge(
        _ kind: AccessKind, isUser: Bool, userAllowed: Bool, writeAllowed: Bool, executeAllowed: Bool,
        fault: @autoclosure () -> AccessFailure
    ) throws(AccessFailure) {
        let system = processor.system
        if isUser, !userAllowed { throw fault() }
        switch kind {
        case .execute:
            if !executeAllowed { throw fault() }
            if !isUser, userAllowed, system.pointee.cr4 & CR4.supervisorExecutionPrevention != 0 { throw fault() }
        case .read, .write:
            if !isUser, userAllowed, system.pointee.cr4 & CR4.supervisorAccessPrevention != 0,
                system.pointee.systemFlags & RFlags.alignmentCheck == 0
            {
                throw fault()
            }
            if kind == .write, !writeAllowed, isUser || system.pointee.cr0 & CR0.writeProtect != 0 { throw fault() }
        }
    }

    func readTableEntry(_ address: UInt64) throws(AccessFailure) -> UInt64 {
        let (index, _) = base.pageIndex(ofPhysical: address)
        guard index >= 0 else {
            throw .exit(.unmapped(UnmappedAccess(physicalAddress: address, byteCount: 8, isWrite: false)))
        }
        do throws(MachineError) {
            return try memory.readable(index).load(fromByteOffset: Int(address & 0xFF8), as: UInt64.self)
        } catch {
            throw .exit(.memoryFailure(error))
        }
    }

    func setTableBits(_ address: UInt64, _ bits: UInt64) throws(AccessFailure) {
        let entry = try readTableEntry(address)
        guard entry & bits != bits else { return }
        let (index, _) = base.pageIndex(ofPhysical: address)
        do throws(MachineError) {
            try writableBytes(ofPage: index).storeBytes(
                of: entry | bits, toByteOffset: Int(address & 0xFF8), as: UInt64.self)
        } catch {
            throw .exit(.memoryFailure(error))
        }
    }
}
