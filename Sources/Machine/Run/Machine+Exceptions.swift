import X86

extension Machine {
    /// Delivers an exception through the IDT of the active processor. RIP must point to the faulting instruction (behind it for
    /// software interrupts).
    ///
    /// A fault while delivering becomes a double fault, a fault while delivering that a triple fault.
    /// - Returns: nil when the guest goes on in its handler, else why the run must stop; the state is then as before the delivery.
    package func raise(_ exception: GuestException) -> Exit? {
        counts.exceptions &+= 1
        if let address = exception.faultAddress { processor.system.pointee.cr2 = address }
        if exception.vector == ExceptionVector.debug.rawValue { enterDebugHandler(exception) }
        switch deliver(exception) {
        case .completed: return nil
        case .exit(let exit): return exit
        case .exception(let second):
            if exception.vector == ExceptionVector.doubleFault.rawValue { return .tripleFault }
            if let address = second.faultAddress { processor.system.pointee.cr2 = address }
            processor[.rip] &-= exception.instructionLength
            let next = Self.isContributory(exception, second) ? GuestException(.doubleFault, errorCode: 0) : second
            switch deliver(next) {
            case .completed: return nil
            case .exit(let exit): return exit
            case .exception:
                if next.vector == ExceptionVector.doubleFault.rawValue { return .tripleFault }
                switch deliver(GuestException(.doubleFault, errorCode: 0)) {
                case .completed: return nil
                case .exit(let exit): return exit
                case .exception: return .tripleFault
                }
            }
        }
    }

    /// Intel SDM volume 3, table 6-5: which pairs of exceptions make a double fault.
    private static func isContributory(_ first: GuestException, _ second: GuestException) -> Bool {
        func contributes(_ vector: UInt8) -> Bool { vector == 0 || (10...13).contains(vector) }
        if first.vector == 14 { return second.vector == 14 || contributes(second.vector) }
        return contributes(first.vector) && contributes(second.vector)
    }

    /// One delivery attempt in long mode (Intel SDM volume 3, 6.14). No guest-visible change unless it completes.
    private func deliver(_ exception: GuestException) -> HelperOutcome {
        do throws(AccessFailure) {
            try deliverThroughGate(exception)
            return .completed
        } catch {
            switch error {
            case .exception(let second): return .exception(second)
            case .exit(let exit): return .exit(exit)
            case .codeWrite: return .exit(.tripleFault)
            }
        }
    }

    private func deliverThroughGate(_ exception: GuestException) throws(AccessFailure) {
        let processor = processor
        let system = processor.system
        guard system.isLongMode else { return try deliverLegacy(exception) }
        let vector = UInt64(exception.vector)
        let checksGate = exception.isSoftware && !exception.isPrivileged
        let external: UInt32 = checksGate ? 0 : 1
        let selectorError = UInt32(vector) << 3 | 2 | external
        guard vector * 16 + 15 <= UInt64(system.pointee.interruptDescriptorTable.limit) else {
            throw .exception(GuestException(.generalProtection, errorCode: selectorError))
        }
        let gate = try load(
            system.pointee.interruptDescriptorTable.base &+ vector * 16, byteCount: 16, asSupervisor: true)
        let type = (gate.low >> 40) & 0x1F
        let gateLevel = Int(gate.low >> 45) & 3
        guard type == 0xE || type == 0xF else {
            throw .exception(GuestException(.generalProtection, errorCode: selectorError))
        }
        if checksGate, gateLevel < system.pointee.privilegeLevel {
            throw .exception(GuestException(.generalProtection, errorCode: selectorError))
        }
        guard gate.low & (1 << 47) != 0 else {
            throw .exception(GuestException(.segmentNotPresent, errorCode: selectorError))
        }
        let target = gate.low & 0xFFFF | (gate.low >> 32) & 0xFFFF_0000 | gate.high << 32
        let selector = UInt16(truncatingIfNeeded: gate.low >> 16)
        let code = try codeSegment(selector)
        let current = system.pointee.privilegeLevel
        let isConforming = code.attributes & (1 << 10) != 0
        let next = isConforming ? current : code.privilegeLevel
        guard next <= current else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(selector & 0xFFFC) | external))
        }
        let stackTable = (gate.low >> 32) & 7
        var stack = processor[.rsp]
        if stackTable != 0 {
            stack = try readTask(0x1C + stackTable * 8)
        } else if next < current {
            stack = try readTask(4 + UInt64(next) * 8)
        }
        stack &= ~15
        let flags = savedFlags(exception)
        var frame: [UInt64] = [
            processor[.rip], UInt64(system.pointee.segments[1].selector), flags, processor[.rsp],
            UInt64(system.pointee.segments[2].selector),
        ]
        if let code = exception.errorCode { frame.insert(UInt64(code), at: 0) }
        stack &-= UInt64(frame.count * 8)
        // The frame is pushed with the rights of the handler. One store per word; the first fault stops before RSP changes.
        let oldLevel = system.pointee.privilegeLevel
        system.pointee.privilegeLevel = next
        var failure: AccessFailure?
        do throws(AccessFailure) {
            for index in frame.indices.reversed() {
                try store(stack &+ UInt64(index * 8), byteCount: 8, low: frame[index], asSupervisor: next != 3)
            }
        } catch {
            failure = error
        }
        if let failure {
            system.pointee.privilegeLevel = oldLevel
            throw failure
        }
        processor[.rsp] = stack
        processor[.rip] = target
        if next != current {
            system.pointee.segments[2] = SegmentState(
                selector: UInt16(next), base: 0, limit: 0xFFFF_FFFF, attributes: UInt32(next) << 13 | 0xC0_9300)
            processor[.ssBase] = 0
        }
        system.pointee.segments[1] = code
        system.pointee.segments[1].selector = selector & ~3 | UInt16(next)
        processor[.csBase] = code.base
        processor.modeChanged()
        var cleared = RFlags.trap | RFlags.nestedTask | RFlags.resume | RFlags.virtual8086
        if type == 0xE { cleared |= RFlags.interrupt }
        system.pointee.systemFlags &= ~cleared
    }

    /// RFLAGS as an exception saves them.
    func savedFlags(_ exception: GuestException) -> UInt64 {
        processor.rflags | (exception.setsResumeFlag && options.setsResumeFlag ? RFlags.resume : 0)
    }

    /// A 64-bit word of the task state segment.
    private func readTask(_ offset: UInt64) throws(AccessFailure) -> UInt64 {
        let task = processor.system.pointee.task
        guard offset + 7 <= UInt64(task.limit) else {
            throw .exception(GuestException(.invalidTaskState, errorCode: UInt32(task.selector & 0xFFFC)))
        }
        let address = try load(task.base &+ offset, byteCount: 8, asSupervisor: true).low
        guard Self.isCanonical(address) else { throw .exception(GuestException(.stackFault, errorCode: 0)) }
        return address
    }

    /// The 64-bit code segment that a gate names.
    private func codeSegment(_ selector: UInt16) throws(AccessFailure) -> SegmentState {
        let segment = try descriptor(selector)
        let isCode = segment.attributes & 0x1800 == 0x1800
        guard isCode, segment.isLong, !segment.isBig else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(selector & 0xFFFC)))
        }
        guard segment.attributes & 0x8000 != 0 else {
            throw .exception(GuestException(.segmentNotPresent, errorCode: UInt32(selector & 0xFFFC)))
        }
        return segment
    }

    /// The descriptor of a selector from the GDT or LDT as a segment register's hidden part.
    func descriptor(_ selector: UInt16) throws(AccessFailure) -> SegmentState {
        let low = try load(descriptorAddress(selector), byteCount: 8, asSupervisor: true).low
        return Self.segment(selector, low)
    }

    /// Address of a selector's descriptor; #GP(selector) when outside of the table.
    func descriptorAddress(_ selector: UInt16) throws(AccessFailure) -> UInt64 {
        let system = processor.system
        let isLocal = selector & 4 != 0
        let base =
            isLocal ? system.pointee.localDescriptorTable.base : system.pointee.globalDescriptorTable.base
        let limit =
            isLocal
            ? UInt64(system.pointee.localDescriptorTable.limit)
            : UInt64(system.pointee.globalDescriptorTable.limit)
        let offset = UInt64(selector & 0xFFF8)
        guard offset + 7 <= limit, selector & 0xFFFC != 0 else {
            throw .exception(GuestException(.generalProtection, errorCode: UInt32(selector & 0xFFFC)))
        }
        return base &+ offset
    }

    static func segment(_ selector: UInt16, _ descriptor: UInt64) -> SegmentState {
        let base = (descriptor >> 16) & 0xFF_FFFF | (descriptor >> 56) << 24
        var limit = UInt32(truncatingIfNeeded: descriptor & 0xFFFF | (descriptor >> 32) & 0xF_0000)
        if descriptor & (1 << 55) != 0 { limit = limit << 12 | 0xFFF }
        return SegmentState(
            selector: selector, base: base, limit: limit,
            attributes: UInt32(truncatingIfNeeded: descriptor >> 32) & 0x00F0_FF00)
    }

    static func isCanonical(_ address: UInt64) -> Bool {
        let top = Int64(bitPattern: address) >> 47
        return top == 0 || top == -1
    }
}
