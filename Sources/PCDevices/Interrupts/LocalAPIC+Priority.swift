// Which interrupt the processor takes (SDM volume 3, 11.8).
extension LocalAPIC {
    /// CR8: bits 4-7 of the task priority. Writing it clears bits 0-3 (SDM 11.8.6).
    package var priorityClass: UInt8 {
        get { taskPriority >> 4 }
        set { taskPriority = newValue << 4 }
    }

    /// Processor priority register: the higher class of task and of the interrupt in service (SDM 11.8.3.1).
    package var processorPriority: UInt8 {
        let service = (inService.highest ?? 0) & 0xF0
        return taskPriority & 0xF0 >= service ? taskPriority : service
    }

    /// The vector that the processor would take now, if RFLAGS.IF allows: the highest requested one, when its class is
    /// above the processor priority. Interrupts that were accepted before software disabled the APIC stay (SDM
    /// 11.4.7.2).
    package var pendingVector: UInt8? {
        guard isGloballyEnabled, let vector = requested.highest, vector & 0xF0 > processorPriority & 0xF0 else {
            return nil
        }
        return vector
    }

    /// The processor takes ``pendingVector``: its request becomes an interrupt in service.
    package mutating func acknowledge() -> UInt8? {
        guard let vector = pendingVector else { return nil }
        requested[vector] = false
        inService[vector] = true
        return vector
    }

    /// What the spurious interrupt vector register holds, for a request that goes away between the two (SDM 11.9).
    package var spuriousVector: UInt8 { UInt8(truncatingIfNeeded: spurious) }

    package func isInService(_ vector: UInt8) -> Bool { inService[vector] }

    /// The end of the interrupt of the highest priority, as by a write of EOI, or by KVM's PV EOI (SDM 11.8.5).
    ///
    /// - Returns: ``Effect/endOfInterrupt(vector:)`` when the IOAPIC has to know, else ``Effect/none``.
    package mutating func endOfInterrupt() -> Effect {
        guard let vector = inService.highest else { return .none }
        inService[vector] = false
        guard levelTriggered[vector] else { return .none }
        endOfLocalLevel(vector)
        return canSuppressBroadcasts && spurious & SpuriousBit.suppressBroadcast != 0
            ? .none : .endOfInterrupt(vector: vector)
    }

    /// Of the APICs that a lowest-priority message matches, the one that gets it (SDM 11.6.2.4): the one of the lowest
    /// processor priority; of several, the first after `last` in ascending order, going round.
    ///
    /// - Parameters:
    ///   - candidates: number and ``processorPriority`` of each APIC that matches and ``isEnabled``.
    ///   - last: who got the previous one; nil takes the lowest number.
    package static func arbitrate(
        _ candidates: some Sequence<(number: Int, priority: UInt8)>, after last: Int? = nil
    ) -> Int? {
        var best: (priority: UInt8, isBefore: Bool, number: Int)?
        for (number, priority) in candidates {
            let entry = (priority, last.map { number <= $0 } ?? false, number)
            guard let known = best else {
                best = entry
                continue
            }
            if entry.0 != known.priority {
                if entry.0 < known.priority { best = entry }
            } else if entry.1 != known.isBefore {
                if known.isBefore { best = entry }
            } else if number < known.number {
                best = entry
            }
        }
        return best?.number
    }
}
