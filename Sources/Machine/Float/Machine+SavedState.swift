import X86

// FXSAVE, XSAVE and their restores (Intel SDM volume 1, 10.5 and 13). Components 0 (x87), 1 (SSE), 2 (AVX), 9 (PKRU).
// Components 3 and 4 (MPX) are always in their initial state: no MPX instruction is lifted
extension Machine {
    /// Offset of PKRU in the standard format, as every processor model so far has it.
    private static let keyOffset: UInt64 = 0xA80

    func saveLegacyState(at address: UInt64, isExtended: Bool, requested: UInt64) throws(AccessFailure) {
        guard address & 15 == 0 else { throw .exception(.generalProtection) }
        let system = processor.system
        var bytes = try readVirtual(address, count: 512)
        func put(_ value: UInt64, _ offset: Int, _ count: Int) {
            for index in 0..<count { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8)) }
        }
        if requested & 1 != 0 {
            put(UInt64(system.pointee.controlWord), 0, 2)
            put(UInt64(system.pointee.statusWord), 2, 2)
            put(UInt64(~system.pointee.emptyTags), 4, 1)
            put(0, 5, 1)
            put(UInt64(system.pointee.lastOpcode), 6, 2)
            put(system.pointee.lastInstruction, 8, 8)
            put(system.pointee.lastData, 16, 8)
            let top = Int(system.pointee.statusWord >> 11) & 7
            for index in 0..<8 {
                let register = system.pointee.floatRegisters[(top + index) & 7]
                put(register.significand, 32 + index * 16, 8)
                put(UInt64(register.signAndExponent), 40 + index * 16, 8)
            }
        }
        if requested & 6 != 0 || !isExtended {
            put(UInt64(system.pointee.mxcsr), 24, 4)
            put(0xFFFF, 28, 4)
        }
        if requested & 2 != 0 {
            for register in 0..<16 {
                put(processor[.xmm(register)], 160 + register * 16, 8)
                put(processor[.xmm(register).high], 168 + register * 16, 8)
            }
        }
        try writeGuest(address, bytes)
    }

    func restoreLegacyState(at address: UInt64, requested: UInt64, present: UInt64 = 3) throws(AccessFailure) {
        guard address & 15 == 0 else { throw .exception(.generalProtection) }
        let system = processor.system
        let bytes = try readGuest(address, count: 512)
        func take(_ offset: Int, _ count: Int) -> UInt64 {
            (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) }
        }
        let mxcsr = UInt32(truncatingIfNeeded: take(24, 4))
        if requested & 6 != 0 {
            guard mxcsr & 0xFFFF_0000 == 0 else { throw .exception(.generalProtection) }
            system.pointee.mxcsr = mxcsr
        }
        if requested & 1 != 0 {
            let isPresent = present & 1 != 0
            system.pointee.controlWord = isPresent ? UInt16(truncatingIfNeeded: take(0, 2)) : 0x37F
            system.pointee.statusWord = isPresent ? UInt16(truncatingIfNeeded: take(2, 2)) : 0
            system.pointee.emptyTags = isPresent ? ~bytes[4] : 0xFF
            system.pointee.lastOpcode = isPresent ? UInt16(truncatingIfNeeded: take(6, 2)) : 0
            system.pointee.lastInstruction = isPresent ? take(8, 8) : 0
            system.pointee.lastData = isPresent ? take(16, 8) : 0
            let top = Int(system.pointee.statusWord >> 11) & 7
            for index in 0..<8 {
                system.pointee.floatRegisters[(top + index) & 7] =
                    isPresent
                    ? ExtendedFloat(
                        significand: take(32 + index * 16, 8),
                        signAndExponent: UInt16(truncatingIfNeeded: take(40 + index * 16, 2)))
                    : ExtendedFloat()
            }
        }
        if requested & 2 != 0 {
            for register in 0..<16 {
                let isPresent = present & 2 != 0
                processor[.xmm(register)] = isPresent ? take(160 + register * 16, 8) : 0
                processor[.xmm(register).high] = isPresent ? take(168 + register * 16, 8) : 0
            }
        }
    }

    /// XSAVE and XSAVEOPT. Every requested component counts as in use.
    func saveExtendedState(at address: UInt64, variant: Int) throws(AccessFailure) {
        let requested = try extendedRequest(address)
        try checkWatch(address, byteCount: requested & 0x200 != 0 ? 0xA88 : 832)
        try saveLegacyState(at: address, isExtended: true, requested: requested)
        if requested & 4 != 0 {
            for register in 0..<16 {
                try store(
                    address &+ 576 &+ UInt64(register * 16), byteCount: 16, low: processor[.ymmUpper(register)],
                    high: processor[.ymmUpper(register).high])
            }
        }
        if requested & 0x200 != 0 {
            try store(
                address &+ Self.keyOffset, byteCount: 8, low: UInt64(processor.system.pointee.protectionKeys))
        }
        let old = try load(address &+ 512, byteCount: 8).low
        try store(address &+ 512, byteCount: 8, low: old & ~requested | requested & ~0x18)
    }

    func restoreExtendedState(at address: UInt64, variant: Int) throws(AccessFailure) {
        let requested = try extendedRequest(address)
        try checkWatch(address, byteCount: requested & 0x200 != 0 ? 0xA88 : 832)
        let present = try load(address &+ 512, byteCount: 8).low
        let compaction = try load(address &+ 520, byteCount: 8).low
        guard compaction == 0, present & ~processor.system.pointee.xcr0 == 0 else {
            throw .exception(.generalProtection)
        }
        try restoreLegacyState(at: address, requested: requested, present: present)
        if requested & 4 != 0 {
            for register in 0..<16 {
                let isPresent = present & 4 != 0
                let value = isPresent ? try load(address &+ 576 &+ UInt64(register * 16), byteCount: 16) : (0, 0)
                processor[.ymmUpper(register)] = value.0
                processor[.ymmUpper(register).high] = value.1
            }
        }
        if requested & 0x200 != 0 {
            let isPresent = present & 0x200 != 0
            processor.system.pointee.protectionKeys =
                isPresent
                ? UInt32(truncatingIfNeeded: try load(address &+ Self.keyOffset, byteCount: 4).low) : 0
        }
    }

    private func extendedRequest(_ address: UInt64) throws(AccessFailure) -> UInt64 {
        let system = processor.system
        guard system.pointee.cr4 & CR4.xSave != 0 else { throw .exception(.invalidOpcode) }
        guard system.pointee.cr0 & CR0.taskSwitched == 0 else {
            throw .exception(GuestException(.deviceNotAvailable))
        }
        guard address & 63 == 0 else { throw .exception(.generalProtection) }
        let requested = (processor[.rdx] << 32 | processor[.rax] & 0xFFFF_FFFF) & system.pointee.xcr0
        guard requested & ~0x21F == 0 else { throw unsupported() }
        return requested
    }

    /// Stops before anything is done when a page of the range is watched.
    private func checkWatch(_ address: UInt64, byteCount: Int) throws(AccessFailure) {
        _ = try load(address, byteCount: 1)
        _ = try load(address &+ UInt64(byteCount - 1), byteCount: 1)
    }

    /// Guest accesses of helpers: like loads and stores they stop at watched pages.
    func readGuest(_ address: UInt64, count: Int) throws(AccessFailure) -> [UInt8] {
        _ = try load(address, byteCount: 1)
        _ = try load(address &+ UInt64(count - 1), byteCount: 1)
        return try readVirtual(address, count: count)
    }

    func writeGuest(_ address: UInt64, _ bytes: [UInt8]) throws(AccessFailure) {
        _ = try load(address, byteCount: 1, forStore: true)
        _ = try load(address &+ UInt64(bytes.count - 1), byteCount: 1, forStore: true)
        try writeVirtual(address, bytes)
    }
}
