import PCDevices
import X86

// Physical addresses without RAM.
extension Machine {
    /// Places of registers in memory that are the same on every PC of QEMU.
    enum Place {
        static let ioAPIC: Range<UInt64> = 0xFEC0_0000..<0xFEC0_1000
        static let highPrecisionTimer: Range<UInt64> = 0xFED0_0000..<0xFED0_0400
        /// The window of VGA: without an adapter it reads ones.
        static let display: Range<UInt64> = 0xA_0000..<0xC_0000
    }

    package func deviceRead(_ physical: UInt64, byteCount: Int) throws(AccessFailure) -> UInt64 {
        deviceAccessCount &+= 1
        let mask = Self.mask(byteCount)
        if let address = board.localAPICs[activeProcessor].address, physical & ~0xFFF == address {
            return board.localAPICs[activeProcessor]
                .read(physical & 0xFFF, byteCount: byteCount, now: processor.time(options)) & mask
        }
        let now = board.deviceTime(processor.time(options))
        switch physical {
        case Place.ioAPIC:
            return board.ioAPIC.read(physical & 0xFFF, byteCount: byteCount, now: now) & mask
        case Place.highPrecisionTimer where board.highPrecisionTimer != nil:
            return (board.highPrecisionTimer?.read(physical & 0x3FF, byteCount: byteCount, now: now) ?? 0) & mask
        case Place.display: return mask
        default:
            guard board.pci?.claims(memory: physical) == true else {
                return try unclaimedRead(physical, byteCount: byteCount)
            }
            let value = board.pci?.readMemory(physical, byteCount: byteCount, now: now) ?? mask
            afterDeviceAccess()
            return value & mask
        }
    }

    package func deviceWrite(_ physical: UInt64, byteCount: Int, value: UInt64) throws(AccessFailure) {
        if let address = board.localAPICs[activeProcessor].address, physical & ~0xFFF == address {
            let effect = board.localAPICs[activeProcessor].write(
                physical & 0xFFF, byteCount: byteCount, value: value, now: processor.time(options))
            finishLocalWrite(effect)
            return
        }
        let now = board.deviceTime(processor.time(options))
        switch physical {
        case Place.ioAPIC:
            board.ioAPIC.write(physical & 0xFFF, byteCount: byteCount, value: value, now: now)
        case Place.highPrecisionTimer where board.highPrecisionTimer != nil:
            board.highPrecisionTimer?.write(physical & 0x3FF, byteCount: byteCount, value: value, now: now)
            board.timer.setInterruptEnabled(board.highPrecisionTimer?.isLegacyReplacement != true, now: now)
        case Place.display: return
        default:
            guard board.pci?.claims(memory: physical) == true else {
                return try unclaimedWrite(physical, byteCount: byteCount)
            }
            var memory = DeviceMemory(self)
            board.pci?.writeMemory(physical, byteCount: byteCount, value: value, now: now, memory: &memory)
        }
        afterDeviceAccess()
    }

    /// What a bus does with an address that nobody claims: a whole machine goes on, as on QEMU; a stretch of code stops.
    private func unclaimedRead(_ physical: UInt64, byteCount: Int) throws(AccessFailure) -> UInt64 {
        guard options.deliversInterrupts else {
            throw .exit(.unmapped(UnmappedAccess(physicalAddress: physical, byteCount: byteCount, isWrite: false)))
        }
        board.note("memory at 0x\(String(physical & ~0xFFF, radix: 16)) was read, where no device is")
        return 0
    }

    private func unclaimedWrite(_ physical: UInt64, byteCount: Int) throws(AccessFailure) {
        guard options.deliversInterrupts else {
            throw .exit(.unmapped(UnmappedAccess(physicalAddress: physical, byteCount: byteCount, isWrite: true)))
        }
        board.note("memory at 0x\(String(physical & ~0xFFF, radix: 16)) was written, where no device is")
    }

    static func mask(_ byteCount: Int) -> UInt64 { byteCount >= 8 ? ~0 : (1 << UInt64(byteCount * 8)) - 1 }

    /// Carries a local APIC's write on: to other APICs, to the IOAPIC, and back to the run loop.
    func finishLocalWrite(_ effect: LocalAPIC.Effect) {
        board.handle(effect, from: activeProcessor)
        shortenTurn()
        reconsiderInterrupts()
    }

    /// Carries on what an access to a device may have changed.
    func afterDeviceAccess() {
        board.propagate()
        shortenTurn()
        reconsiderInterrupts()
    }

    /// The run loop comes back when the first of the devices' events is due, which the guest may just have set.
    private func shortenTurn() {
        guard options.deliversInterrupts, schedule.isOpen else { return }
        let system = processor.system
        if board.hasExit {
            system.pointee.stop = system.pointee.retired
            return
        }
        if let deadline = board.deviceDeadline {
            schedule.end = min(schedule.end, max(deadline, processor.time(options) &+ 1))
        }
        system.pointee.stop = min(system.pointee.stop, processor.retired(at: turnEvent(), options))
    }

    // MARK: Local APIC by MSR

    func readLocalMSR(_ number: UInt32) throws(AccessFailure) -> UInt64 {
        guard let value = board.localAPICs[activeProcessor].readMSR(number, now: processor.time(options)) else {
            throw .exception(.generalProtection)
        }
        return value
    }

    func writeLocalMSR(_ number: UInt32, _ value: UInt64) throws(AccessFailure) {
        guard
            let effect = board.localAPICs[activeProcessor].writeMSR(number, value, now: processor.time(options))
        else { throw .exception(.generalProtection) }
        finishLocalWrite(effect)
    }

    func writeAPICBase(_ value: UInt64) throws(AccessFailure) {
        guard
            board.localAPICs[activeProcessor].setBase(
                value, physicalAddressBits: options.model.physicalAddressBits, supportsX2APIC: true)
        else { throw .exception(.generalProtection) }
        processor.tlb.flush()
    }

    /// IA32_TSC_DEADLINE.
    func writeTimeStampDeadline(_ value: UInt64) {
        board.localAPICs[activeProcessor].setTSCDeadline(value, at: time(ofTimeStamp: value))
        shortenTurn()
        reconsiderInterrupts()
    }

    /// When the active processor's time-stamp counter reaches a value: now, if it has passed it.
    func time(ofTimeStamp value: UInt64) -> UInt64 {
        let now = processor.time(options)
        let distance = Int64(bitPattern: value &- timeStamp)
        guard distance > 0 else { return now }
        return now.addingReportingOverflow(options.nanoseconds(ofTimeStampTicks: UInt64(distance))).overflow
            ? .max : now + options.nanoseconds(ofTimeStampTicks: UInt64(distance))
    }
}
