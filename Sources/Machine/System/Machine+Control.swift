import X86

// Control registers, RFLAGS, XCR0, CPUID
extension Machine {
    func answerCPUID() {
        let processor = processor
        let number = UInt32(truncatingIfNeeded: processor[.rax])
        let subleaf = UInt32(truncatingIfNeeded: processor[.rcx])
        var leaf = options.model.leaf(number, subleaf: subleaf)
        if number == 1 {
            leaf.ebx = leaf.ebx & 0x00FF_FFFF | UInt32(activeProcessor) << 24
            // OSXSAVE mirrors CR4.
            leaf.ecx &= ~(1 << 27)
            if processor.system.pointee.cr4 & CR4.xSave != 0 { leaf.ecx |= 1 << 27 }
        }
        if number == 7, subleaf == 0, leaf.ecx & 1 << 3 != 0 {
            // OSPKE mirrors CR4, where the model has protection keys.
            leaf.ecx &= ~(1 << 4)
            if processor.system.pointee.cr4 & CR4.protectionKeys != 0 { leaf.ecx |= 1 << 4 }
        }
        if number == 0xB || number == 0x1F { leaf.edx = UInt32(activeProcessor) }
        processor[.rax] = UInt64(leaf.eax)
        processor[.rbx] = UInt64(leaf.ebx)
        processor[.rcx] = UInt64(leaf.ecx)
        processor[.rdx] = UInt64(leaf.edx)
    }

    func readControl(_ number: Int) throws(AccessFailure) -> UInt64 {
        let system = processor.system
        switch number {
        case 0: return system.pointee.cr0
        case 2: return system.pointee.cr2
        case 3: return system.pointee.cr3
        case 4: return system.pointee.cr4
        case 8: return UInt64(board.localAPICs[activeProcessor].priorityClass)
        default: throw .exception(.invalidOpcode)
        }
    }

    func writeControl(_ number: Int, _ value: UInt64) throws(AccessFailure) {
        let system = processor.system
        switch number {
        case 0: try writeControl0(value)
        case 2:
            system.pointee.cr2 = value
            return
        case 3:
            // Bit 63 says "keep translations" when PCIDs are on; flushing anyway is allowed.
            let hasContexts = system.pointee.cr4 & CR4.processContext != 0
            guard value & (hasContexts ? 0x7FF0_0000_0000_0000 : 0xFFF0_0000_0000_0000) == 0 else {
                throw .exception(.generalProtection)
            }
            system.pointee.cr3 = value & ~(1 << 63)
        case 4: try writeControl4(value)
        case 8:
            guard value <= 15 else { throw .exception(.generalProtection) }
            board.localAPICs[activeProcessor].priorityClass = UInt8(truncatingIfNeeded: value)
            reconsiderInterrupts()
            return
        default: throw .exception(.invalidOpcode)
        }
        processor.tlb.flush()
    }

    /// CR0, with the entry to long mode and the way out of it (Intel SDM volume 3, 9.8.5).
    private func writeControl0(_ value: UInt64) throws(AccessFailure) {
        let system = processor.system
        let isPaging = value & CR0.paging != 0
        guard value >> 32 == 0, !isPaging || value & CR0.protectionEnable != 0,
            value & CR0.notWriteThrough == 0 || value & CR0.cacheDisable != 0
        else { throw .exception(.generalProtection) }
        if isPaging != system.isPaging {
            if isPaging, system.pointee.efer & EFER.longModeEnable != 0 {
                guard system.pointee.cr4 & CR4.physicalAddressExtension != 0, !system.pointee.segments[1].isLong else {
                    throw .exception(.generalProtection)
                }
                system.pointee.efer |= EFER.longModeActive
            } else if !isPaging, system.isLongMode {
                guard !system.isLongCode, system.pointee.cr4 & CR4.processContext == 0 else {
                    throw .exception(.generalProtection)
                }
                system.pointee.efer &= ~EFER.longModeActive
            }
        }
        if value & CR0.protectionEnable == 0 { system.pointee.privilegeLevel = 0 }
        system.pointee.cr0 = value | CR0.extensionType
        processor.modeChanged()
    }

    private func writeControl4(_ value: UInt64) throws(AccessFailure) {
        let system = processor.system
        let old = system.pointee.cr4
        guard value >> 32 == 0 else { throw .exception(.generalProtection) }
        if system.isLongMode {
            guard value & CR4.physicalAddressExtension != 0, (value ^ old) & CR4.fiveLevelPaging == 0 else {
                throw .exception(.generalProtection)
            }
        }
        if value & ~old & CR4.processContext != 0 {
            guard system.isLongMode, system.pointee.cr3 & 0xFFF == 0 else {
                throw .exception(.generalProtection)
            }
        }
        system.pointee.cr4 = value
        // Breakpoints at ports need CR4.DE.
        if (value ^ old) & CR4.debuggingExtensions != 0 { processor.breakpointsChanged() }
    }

    /// INVPCID (Intel SDM volume 2): all translations go, which every type allows; the descriptor is checked.
    func invalidateContext(_ type: UInt64, descriptor: UInt64) throws(AccessFailure) {
        try requireSupervisor()
        let words = try load(descriptor, byteCount: 16)
        guard type <= 3 else { throw .exception(.generalProtection) }
        if type < 2 {
            let hasContexts = processor.system.pointee.cr4 & CR4.processContext != 0
            guard words.low >> 12 == 0, hasContexts || words.low == 0 else { throw .exception(.generalProtection) }
            if type == 0, !Self.isCanonical(words.high) { throw .exception(.generalProtection) }
        }
        processor.tlb.flush()
    }

    /// POPF: which system flags change depends on the privilege.
    func writeSystemFlags(_ value: UInt64, width: Int) {
        let system = processor.system
        let level = system.pointee.privilegeLevel
        let current = system.pointee.systemFlags
        var mask = RFlags.trap | RFlags.nestedTask | RFlags.alignmentCheck | RFlags.identification
        if level == 0 { mask |= RFlags.privilegeLevel }
        if level <= Int((current & RFlags.privilegeLevel) >> 12) { mask |= RFlags.interrupt }
        if width == 16 { mask &= 0xFFFF }
        system.pointee.systemFlags = current & ~mask & ~RFlags.resume | value & mask | RFlags.reserved1
        processor.stepsChanged()
        reconsiderInterrupts()
    }

    /// XGETBV: XCR0, and with ECX = 1 the components of it that are in use (Intel SDM volume 1, 13.6).
    func readExtendedControl(_ number: UInt32) throws(AccessFailure) -> UInt64 {
        let controls = processor.system.pointee.xcr0
        switch number {
        case 0: return controls
        case 1 where options.model.leaf(0xD, subleaf: 1).eax & 4 != 0: return controls & componentsInUse()
        default: throw .exception(.generalProtection)
        }
    }

    func writeExtendedControl() throws(AccessFailure) {
        let system = processor.system
        guard system.pointee.cr4 & CR4.xSave != 0 else { throw .exception(.invalidOpcode) }
        try requireSupervisor()
        let value = processor[.rdx] << 32 | processor[.rax] & 0xFFFF_FFFF
        guard processor[.rcx] & 0xFFFF_FFFF == 0, value & 1 != 0, value & 6 != 4 else {
            throw .exception(.generalProtection)
        }
        // AVX-512's components come together, on top of AVX.
        let wide = value & 0xE0
        guard wide == 0 || (wide == 0xE0 && value & XCR0.avx == XCR0.avx) else { throw .exception(.generalProtection) }
        let leaf = options.model.leaf(0xD, subleaf: 0)
        let supported = UInt64(leaf.edx) << 32 | UInt64(leaf.eax)
        guard supported == 0 || value & ~supported == 0 else { throw .exception(.generalProtection) }
        system.pointee.xcr0 = value
        // VEX instructions are lifted by XCR0.
        processor.tlb.flushJumps()
    }
}
