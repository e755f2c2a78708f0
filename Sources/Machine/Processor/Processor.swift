import X86

/// One virtual CPU: the slot file, the concrete system state, and the translation cache.
///
/// Not thread-safe: a processor belongs to one machine, and a machine to one thread at a time.
package final class Processor {
    /// The slot file, `Slot.count` words; see `Slot`.
    package let slots: UnsafeMutablePointer<UInt64>
    /// Everything that is always concrete.
    package let system: UnsafeMutablePointer<SystemState>
    /// Software TLB of `TLB.count` entries, whose memory it has while it is among those that ran last.
    let tlb: TLB
    /// HLT was executed and no interrupt came since.
    package var isHalted = false
    /// An NMI was taken, and its handler has not executed IRET yet.
    package var blocksNonMaskable = false

    /// - Parameter blocks: the block cache of the machine.
    package init(blocks: BlockCache) {
        slots = .allocate(capacity: Slot.count)
        slots.initialize(repeating: 0, count: Slot.count)
        system = .allocate(capacity: 1)
        system.initialize(to: SystemState())
        tlb = TLB(blocks)
    }

    /// The temporaries are left as they come: a block writes each before it reads it, so they need no time here, and those that are never
    /// used need no memory of the host.
    private init(copying parent: Processor, blocks: BlockCache) {
        slots = .allocate(capacity: Slot.count)
        slots.initialize(from: parent.slots, count: Slot.guestCount)
        system = .allocate(capacity: 1)
        system.initialize(to: parent.system.pointee)
        tlb = TLB(blocks)
        isHalted = parent.isHalted
        blocksNonMaskable = parent.blocksNonMaskable
    }

    deinit {
        slots.deallocate()
        system.deinitialize(count: 1)
        system.deallocate()
    }

    /// A copy for a forked state. Temporaries and translations are not carried over.
    func fork(blocks: BlockCache) -> Processor { Processor(copying: self, blocks: blocks) }

    /// Value of a slot.
    package subscript(slot: Slot) -> UInt64 {
        get { slots[Int(slot.rawValue)] }
        set { slots[Int(slot.rawValue)] = newValue }
    }

    /// The complete RFLAGS.
    package var rflags: UInt64 {
        get {
            var value = system.pointee.systemFlags
            value |= self[.cf] & 1
            value |= (self[.pf] & 1) << 2
            value |= (self[.af] & 1) << 4
            value |= (self[.zf] & 1) << 6
            value |= (self[.sf] & 1) << 7
            value |= (self[.df] & 1) << 10
            value |= (self[.of] & 1) << 11
            return value
        }
        set {
            self[.cf] = newValue & 1
            self[.pf] = (newValue >> 2) & 1
            self[.af] = (newValue >> 4) & 1
            self[.zf] = (newValue >> 6) & 1
            self[.sf] = (newValue >> 7) & 1
            self[.df] = (newValue >> 10) & 1
            self[.of] = (newValue >> 11) & 1
            system.pointee.systemFlags = newValue & ~RFlags.inSlots | RFlags.reserved1
        }
    }

    /// How code is lifted in the current mode.
    func liftContext(_ model: ProcessorModel) -> LiftContext {
        let cr0 = system.pointee.cr0
        let vector: LiftContext.UnitAccess =
            cr0 & CR0.emulation != 0 || system.pointee.cr4 & CR4.fxSave == 0
            ? .undefined : cr0 & CR0.taskSwitched != 0 ? .notAvailable : .enabled
        let x87: LiftContext.UnitAccess =
            cr0 & (CR0.emulation | CR0.taskSwitched) != 0 ? .notAvailable : .enabled
        let components = system.pointee.xcr0
        let avx: LiftContext.UnitAccess =
            system.pointee.cr4 & CR4.xSave == 0 || components & XCR0.avx != XCR0.avx
            ? .undefined : cr0 & CR0.taskSwitched != 0 ? .notAvailable : .enabled
        return LiftContext(
            vector: vector, x87: x87, hasLeadingZeroCount: model.hasLeadingZeroCount,
            hasBitManipulation: model.hasBitManipulation, avx: avx,
            hasWideVectors: components & XCR0.wideVectors == XCR0.wideVectors)
    }
}
