import VMState

// Section `apic` of QEMU (version 3; the same fields from 2.8 to 10.0), with subsection `apic_sipi`. What its writers
// leave there:
//
// * TCG: the state of its own timer. `initial_count_load_time` is when the guest wrote the count, `timer_expiry` (and
//   `next_time`) when the count is zero, -1 when the timer is stopped or masked. Its periods are a tick longer than the
//   initial count.
// * KVM: the registers of the kernel's APIC at the moment of saving. The kernel's remaining count is not among them:
//   QEMU puts the time of saving into `initial_count_load_time` and computes `timer_expiry` as if the whole count was
//   still to come, also for a one-shot timer that has long been zero. So a timer of a KVM snapshot starts anew when it
//   is resumed, here as in QEMU. KVM itself, loading it, lets a one-shot timer end at once. In TSC-deadline mode the
//   deadline is `env.tsc_deadline` of section `cpu`; `timer_expiry` means nothing.
// * x2APIC: neither stores 32-bit IDs. The ID is the section's instance number (`initial_apic_id`), the logical ID
//   follows from it; `log_dest` and `dest_mode` are remainders of xAPIC mode. `icr[1]` is the destination itself, in
//   xAPIC mode its bits 24-31.
// * `apic_sipi` is there only while TCG's processor waits for a start-up message; under KVM that is `env.mp_state`.
extension LocalAPIC {
    /// Name of the subsection of an APIC that waits for a start-up message.
    package static let startUpSubsection = "apic_sipi"

    /// Reads a section `apic`. What other sections hold is the caller's: ``setTSCDeadline(_:at:)``, ``isNMIPending``,
    /// ``isWaitingForStartUp``, ``restoreLines(lint0:lint1:)``.
    package init(_ section: DeviceSection) throws(DeviceError) {
        let fields = ControllerFields(section)
        self.init(id: section.instanceID, isBootstrap: false)
        base = UInt64(try fields.value("apicbase", as: UInt32.self))
        guard base & (BaseBit.enabled | BaseBit.extended) != BaseBit.extended else { throw fields.unfit("apicbase") }
        id = try fields.value("id")
        arbitrationID = try fields.value("arb_id")
        taskPriority = try fields.value("tpr")
        spurious = try fields.value("spurious_vec")
        canSuppressBroadcasts = spurious & SpuriousBit.suppressBroadcast != 0
        logicalID = try fields.value("log_dest")
        destinationFormat = try fields.value("dest_mode")
        inService = try Self.vectors("isr", fields)
        levelTriggered = try Self.vectors("tmr", fields)
        requested = try Self.vectors("irr", fields)
        let entries = try fields.values("lvt", count: LocalInterrupt.allCases.count)
        for source in LocalInterrupt.allCases {
            localVectors[source] = UInt32(truncatingIfNeeded: entries[source.rawValue])
        }
        errorStatus = try fields.value("esr")
        let command = try fields.values("icr", count: 2)
        commandLow = UInt32(truncatingIfNeeded: command[0])
        commandHigh = UInt32(truncatingIfNeeded: command[1])
        divideConfiguration = try fields.value("divide_conf")
        try loadTimer(fields)
        isWaitingForStartUp = try fields.optional("apic_sipi.wait_for_sipi", as: UInt32.self) ?? 0 != 0
    }

    private mutating func loadTimer(_ fields: ControllerFields) throws(DeviceError) {
        timer.shift = try fields.value("count_shift")
        guard timer.shift < 8 else { throw fields.unfit("count_shift") }
        timer.initialCount = try fields.value("initial_count")
        timer.start = try fields.value("initial_count_load_time", as: UInt64.self)
        timer.idleNextTime = Int64(bitPattern: try fields.value("next_time", as: UInt64.self))
        let expiry = Int64(bitPattern: try fields.value("timer_expiry", as: UInt64.self))
        switch timerMode {
        case .deadline, .reserved: timer.idleExpiry = expiry
        case .oneShot, .periodic:
            if localVectors.isMasked(.timer) {
                // QEMU stops a masked timer; it counts nevertheless.
                timer.idleExpiry = expiry
                if timer.initialCount != 0 { timer.due = timer.start &+ timer.period }
            } else if expiry != -1 {
                timer.due = UInt64(max(expiry, 0))
                timer.idleNextTime = 0
            }
        }
    }

    /// Writes the fields of a section `apic`. Not there, and lost: pending NMI, SMI, INIT and ExtINT, errors that were
    /// not read, the pins.
    ///
    /// A section without ``startUpSubsection`` cannot say that the processor waits: see ``neededSubsections``.
    package func save(to section: inout DeviceSection) throws(DeviceError) {
        var fields = ControllerFields(section)
        try fields.set("apicbase", base)
        try fields.set("id", UInt64(id))
        try fields.set("arb_id", UInt64(arbitrationID))
        try fields.set("tpr", UInt64(taskPriority))
        try fields.set("spurious_vec", UInt64(spurious))
        try fields.set("log_dest", UInt64(logicalID))
        try fields.set("dest_mode", UInt64(destinationFormat))
        try fields.set("isr", inService.registers)
        try fields.set("tmr", levelTriggered.registers)
        try fields.set("irr", requested.registers)
        try fields.set("lvt", LocalInterrupt.allCases.map { localVectors[$0] })
        try fields.set("esr", UInt64(errorStatus))
        try fields.set("icr", [commandLow, commandHigh])
        try fields.set("divide_conf", UInt64(divideConfiguration))
        try saveTimer(&fields)
        if section.contains(Self.startUpSubsection) {
            try fields.set("apic_sipi.wait_for_sipi", isWaitingForStartUp)
            if let startUpVector { try fields.set("apic_sipi.sipi_vector", UInt64(startUpVector)) }
        }
        section = fields.section
    }

    private func saveTimer(_ fields: inout ControllerFields) throws(DeviceError) {
        try fields.set("count_shift", UInt64(timer.shift))
        try fields.set("initial_count", UInt64(timer.initialCount))
        try fields.set("initial_count_load_time", timer.start)
        let isArmed = !localVectors.isMasked(.timer) && (timerMode == .oneShot || timerMode == .periodic)
        if isArmed, let due = timer.due {
            try fields.set("next_time", due)
            try fields.set("timer_expiry", due)
        } else {
            try fields.set("next_time", UInt64(bitPattern: timer.idleNextTime))
            try fields.set("timer_expiry", UInt64(bitPattern: isArmed ? -1 : timer.idleExpiry))
        }
    }

    /// ``startUpSubsection`` while the processor waits for a start-up message.
    package var neededSubsections: [NeededSubsection] {
        guard isWaitingForStartUp else { return [] }
        let fields: [SubsectionField] = [
            .int32("sipi_vector", Int32(startUpVector ?? 0)), .int32("wait_for_sipi", 1),
        ]
        return [NeededSubsection(Self.startUpSubsection, fields: fields)]
    }

    private static func vectors(_ path: String, _ fields: ControllerFields) throws(DeviceError) -> VectorSet {
        var set = VectorSet()
        for (number, value) in try fields.values(path, count: 8).enumerated() {
            set[register: number] = UInt32(truncatingIfNeeded: value)
        }
        return set
    }
}
