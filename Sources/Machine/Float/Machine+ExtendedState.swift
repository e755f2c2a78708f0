import X86

// The XSAVE family (Intel SDM volume 1, chapter 13). The engine holds x87, SSE, AVX and PKRU; other components (MPX, AVX-512, AMX) are
// always in their initial state, because no instruction that changes them is executed
extension Machine {
    /// XSAVE, XSAVEOPT, XSAVEC, XSAVES by the low bits of `Helper.xSave`'s detail.
    private enum Variant: Int {
        case standard
        case optimised
        case compacted
        case supervisor
    }

    /// XINUSE of the active processor.
    func componentsInUse() -> UInt64 { processor.componentsInUse }

    /// The checks of every instruction of the family, and the components that the instruction asks for and may have.
    private func request(_ address: UInt64, isSupervisor: Bool) throws(AccessFailure) -> UInt64 {
        let system = processor.system
        guard system.pointee.cr4 & CR4.xSave != 0 else { throw .exception(.invalidOpcode) }
        guard system.pointee.cr0 & CR0.taskSwitched == 0 else {
            throw .exception(GuestException(.deviceNotAvailable))
        }
        if isSupervisor { try requireSupervisor() }
        guard address & 63 == 0 else { throw .exception(.generalProtection) }
        let mask = processor[.rdx] << 32 | processor[.rax] & 0xFFFF_FFFF
        return mask & (system.pointee.xcr0 | (isSupervisor ? supervisorComponents : 0))
    }

    /// IA32_XSS.
    private var supervisorComponents: UInt64 { processor.system.pointee.otherMSRs[0xDA0] ?? 0 }

    func saveExtendedState(at address: UInt64, detail: Int) throws(AccessFailure) {
        guard let variant = Variant(rawValue: detail & 3) else { throw unsupported() }
        let isCompacted = variant == .compacted || variant == .supervisor
        let requested = try request(address, isSupervisor: variant == .supervisor)
        let layout = ExtendedLayout(options.model)
        guard layout.covers(requested) else { throw unsupported() }
        var used = componentsInUse()
        // The compacted forms count MXCSR as a part of SSE state.
        if isCompacted, processor.system.pointee.mxcsr != 0x1F80 { used |= XCR0.sse }
        let saved = variant == .standard ? requested : requested & used

        var pieces: [SavedPiece] = []
        if saved & XCR0.x87 != 0 { pieces += x87Pieces(hasLongPointers: detail & 8 != 0) }
        if isCompacted ? saved & XCR0.sse != 0 : requested & XCR0.avx != 0 { pieces.append(mxcsrPiece()) }
        if saved & XCR0.sse != 0 { pieces.append(xmmPiece()) }
        for component in layout.placed(requested, isCompacted: isCompacted)
        where saved >> UInt64(component.number) & 1 != 0 {
            pieces.append(piece(component))
        }
        if isCompacted {
            pieces.append(SavedPiece(512, words: [requested & used, requested | 1 << 63]))
        } else {
            let old = try load(address &+ 512, byteCount: 8, forStore: true).low
            pieces.append(SavedPiece(512, words: [old & ~requested | requested & used]))
        }
        try writePieces(address, pieces)
    }

    private func piece(_ component: ExtendedLayout.Component) -> SavedPiece {
        var words: [UInt64] = []
        switch component.number {
        case 2: words = (0..<16).flatMap { [processor[.ymmUpper($0)], processor[.ymmUpper($0).high]] }
        case 9: words = [UInt64(processor.system.pointee.protectionKeys)]
        default: break
        }
        words += Array(repeating: 0, count: max(0, (component.byteCount + 7) / 8 - words.count))
        var result = SavedPiece(component.offset, words: words)
        result.bytes = Array(result.bytes.prefix(component.byteCount))
        return result
    }

    func restoreExtendedState(at address: UInt64, detail: Int) throws(AccessFailure) {
        let isSupervisor = detail & 3 == 3
        let system = processor.system
        let requested = try request(address, isSupervisor: isSupervisor)
        let layout = ExtendedLayout(options.model)
        guard layout.covers(requested) else { throw unsupported() }

        let header = try readGuest(address &+ 512, count: 64)
        let present = Self.word(header, 0)
        let compaction = Self.word(header, 8)
        let isCompacted = compaction >> 63 != 0
        let allowed = system.pointee.xcr0 | (isSupervisor ? supervisorComponents : 0)
        let reserved = (isCompacted ? 16..<64 : 8..<24).contains { header[$0] != 0 }
        let isWellFormed =
            isCompacted
            ? hasCompaction && compaction & ~(1 << 63) & ~allowed == 0 && present & ~compaction == 0
            : !isSupervisor && present & ~allowed == 0
        guard isWellFormed, !reserved, present >> 63 == 0 else { throw .exception(.generalProtection) }

        // Everything is read before anything changes.
        let loaded = requested & present
        let legacy = try readGuest(address, count: 416)
        var images: [Int: [UInt8]] = [:]
        for component in layout.placed(isCompacted ? compaction : requested, isCompacted: isCompacted)
        where loaded >> UInt64(component.number) & 1 != 0 {
            let image = try readGuest(address &+ component.offset, count: component.byteCount)
            let isHeld = component.number == 2 || component.number == 9
            guard isHeld || image.allSatisfy({ $0 == 0 }) else { throw unsupported() }
            images[component.number] = image
        }
        var mxcsr: UInt32?
        if isCompacted {
            if requested & XCR0.sse != 0 { mxcsr = loaded & XCR0.sse != 0 ? try savedMXCSR(legacy) : 0x1F80 }
        } else if requested & XCR0.avx != 0 {
            mxcsr = try savedMXCSR(legacy)
        }

        if let mxcsr { system.pointee.mxcsr = mxcsr }
        if requested & XCR0.x87 != 0 {
            restoreX87(loaded & XCR0.x87 != 0 ? legacy : nil, hasLongPointers: detail & 8 != 0)
        }
        if requested & XCR0.sse != 0 { restoreXMM(loaded & XCR0.sse != 0 ? legacy : nil) }
        if requested & 4 != 0 {
            for register in 0..<16 {
                processor[.ymmUpper(register)] = images[2].map { Self.word($0, register * 16) } ?? 0
                processor[.ymmUpper(register).high] = images[2].map { Self.word($0, register * 16 + 8) } ?? 0
            }
        }
        if requested & XCR0.protectionKeys != 0 {
            let value = images[9].map { UInt32(truncatingIfNeeded: Self.word($0, 0)) } ?? 0
            if value != system.pointee.protectionKeys { processor.tlb.flush() }
            system.pointee.protectionKeys = value
        }
    }

    /// CPUID.(0DH,1):EAX bit 1; a model without leaf 0DH has none.
    private var hasCompaction: Bool { options.model.leaf(0xD, subleaf: 1).eax & 2 != 0 }
}

extension Processor {
    /// XINUSE by value: a component with its initial value is not in use.
    var componentsInUse: UInt64 {
        var result: UInt64 = 0
        let x87 = system.pointee
        let isInitial =
            x87.controlWord == 0x37F && x87.statusWord == 0 && x87.emptyTags == 0xFF && x87.lastOpcode == 0
            && x87.lastInstruction == 0 && x87.lastData == 0
            && (0..<8).allSatisfy { x87.floatRegisters[$0] == ExtendedFloat() }
        if !isInitial { result |= XCR0.x87 }
        func isUsed(_ range: Range<Int>) -> Bool { range.contains { slots[$0] != 0 } }
        if isUsed(32..<64) { result |= XCR0.sse }
        if isUsed(64..<96) { result |= XCR0.avx & ~XCR0.sse }
        if system.pointee.protectionKeys != 0 { result |= XCR0.protectionKeys }
        return result
    }
}
