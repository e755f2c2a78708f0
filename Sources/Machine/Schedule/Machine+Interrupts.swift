import PCDevices
import X86

// When a processor takes an interrupt (Intel SDM volume 3, 6.8 and 11.8).
extension Machine {
    /// Something waits that a halted processor would wake up for.
    func hasWakeUp(_ index: Int) -> Bool {
        let apic = board.localAPICs[index]
        if apic.isInitializePending { return true }
        if apic.isWaitingForStartUp { return apic.startUpVector != nil }
        if apic.isNMIPending { return true }
        return processors[index].system.pointee.systemFlags & RFlags.interrupt != 0 && hasMaskable(index)
    }

    /// An interrupt that RFLAGS.IF lets through waits for the processor.
    func hasMaskable(_ index: Int) -> Bool {
        if board.localAPICs[index].pendingVector != nil { return true }
        return board.hasExternalInterrupt(forProcessor: index)
    }

    /// Makes the run loop look for interrupts again, after what an instruction has changed: at the next block, or one later in the shadow
    /// of STI and MOV SS.
    func reconsiderInterrupts() {
        let system = processor.system
        guard options.deliversInterrupts, system.pointee.systemFlags & RFlags.interrupt != 0,
            hasMaskable(activeProcessor)
        else { return }
        let boundary = max(system.pointee.retired, system.pointee.interruptShadow) &+ 1
        if let stop = system.pointee.heldStop {
            system.pointee.heldStop = min(stop, boundary)
        } else {
            system.pointee.stop = min(system.pointee.stop, boundary)
        }
    }

    /// Interrupts wait until the instruction after the present one has retired.
    func beginInterruptShadow() {
        let system = processor.system
        system.pointee.interruptShadow = system.pointee.retired &+ 1
    }

    /// Delivers what waits for the active processor, if it may be delivered now.
    ///
    /// - Returns: why the run must stop, if the delivery failed.
    func takeInterrupt() -> Exit? {
        let index = activeProcessor
        let system = processor.system
        guard system.pointee.retired != system.pointee.interruptShadow else { return nil }
        if board.localAPICs[index].isNMIPending, !processor.blocksNonMaskable {
            board.localAPICs[index].isNMIPending = false
            processor.blocksNonMaskable = true
            processor.isHalted = false
            return raise(GuestException(.nonMaskable))
        }
        guard system.pointee.systemFlags & RFlags.interrupt != 0, hasMaskable(index) else { return nil }
        guard let vector = acknowledge(index) else { return nil }
        processor.isHalted = false
        return raise(.interrupt(vector))
    }

    /// The vector that the processor takes, marked as in service. The 8259's interrupts go first, as through LINT0.
    private func acknowledge(_ index: Int) -> UInt8? {
        if board.hasExternalInterrupt(forProcessor: index) {
            return board.acknowledgeExternalInterrupt(forProcessor: index)
        }
        return board.localAPICs[index].acknowledge()
    }
}
