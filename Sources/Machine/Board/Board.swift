import PCDevices

/// The devices of a PC (`pc` or `q35`) and the wires between them.
///
/// A value: a copy is a fork. Processors reach devices through `Machine+Ports.swift` and `Machine+Registers.swift`; what a device wants comes
/// back as levels of interrupt lines, as messages to local APICs, or as the end of the run.
package struct Board: Sendable {
    /// One per processor, in the order of the processors.
    package internal(set) var localAPICs: [LocalAPIC]
    var ioAPIC = IOAPIC()
    var controllers = InterruptControllerPair()
    var timer: IntervalTimer
    /// Nil on a machine without one.
    var highPrecisionTimer: HPET?
    var clock: RealTimeClock
    var power: PowerManagement
    var serial = SerialPort()
    var keyboard = KeyboardController()
    var legacy: LegacyPorts
    /// Nil on a board that was not loaded from a snapshot.
    var pci: PCIBus?

    /// Levels of the global system interrupts, bit by number: ISA interrupts below 16, the IOAPIC's own above.
    private var levels: UInt32 = 0
    /// Who got the last interrupt of lowest priority.
    private var lastArbitrated: Int?
    /// Why the run ends.
    private var exit: Exit?
    /// The latest time that a device has seen: for devices, time never goes backwards, although processors take turns.
    var latest: UInt64 = 0
    /// What the guest has touched and the board lacks, each once.
    private(set) var notes: [String] = []

    /// A board as after reset, at time 0.
    init(processorCount: Int) {
        localAPICs = (0..<processorCount).map { LocalAPIC(id: UInt32($0), isBootstrap: $0 == 0) }
        for index in localAPICs.indices { localAPICs[index].isWaitingForStartUp = false }
        timer = IntervalTimer(now: 0)
        highPrecisionTimer = HPET()
        clock = RealTimeClock(secondsSince1970: 0, now: 0)
        power = PowerManagement(chipset: .piix4, processorIDs: (0..<processorCount).map { UInt32($0) })
        legacy = LegacyPorts(processorCount: processorCount)
    }

    // MARK: Time

    /// The time for a device, given a processor's.
    mutating func deviceTime(_ now: UInt64) -> UInt64 {
        latest = max(latest, now)
        return latest
    }

    /// The earliest time at which a device other than a local APIC does something.
    var deviceDeadline: UInt64? {
        [timer.deadline, highPrecisionTimer?.deadline, clock.deadline, power.deadline, serial.deadline]
            .compactMap { $0 }.min()
    }

    /// The earliest time at which anything happens.
    var deadline: UInt64? {
        let local = localAPICs.compactMap(\.deadline).min()
        return [deviceDeadline, local].compactMap { $0 }.min()
    }

    /// Lets devices and local APICs do what they do until a time.
    mutating func advance(to time: UInt64) {
        let now = deviceTime(time)
        timer.advance(to: now)
        highPrecisionTimer?.advance(to: now)
        clock.advance(to: now)
        power.advance(to: now)
        serial.advance(to: now)
        for index in localAPICs.indices { localAPICs[index].advance(to: time) }
        propagate()
    }

    /// Lets one local APIC's timer go on.
    mutating func advanceLocal(_ index: Int, to time: UInt64) { localAPICs[index].advance(to: time) }

    // MARK: Interrupts

    /// What the devices' level-triggered outputs are now, by global system interrupt.
    private var lines: UInt32 {
        var next: UInt32 = 0
        func line(_ number: Int, _ isAsserted: Bool) { if isAsserted { next |= 1 << UInt32(number) } }
        line(1, keyboard.keyboardInterruptLine)
        line(4, serial.interruptLine)
        line(6, legacy.floppy?.interruptLine == true)
        line(8, clock.interruptLine && highPrecisionTimer?.isLegacyReplacement != true)
        line(pci?.systemControlInterrupt ?? 9, power.interruptLine)
        line(12, keyboard.mouseInterruptLine)
        if let pci { next |= pci.interruptLines }
        if let highPrecisionTimer { next |= highPrecisionTimer.interruptLines }
        return next
    }

    /// Carries what devices want to the interrupt controllers, and from there to the processors. After everything that may have changed it.
    mutating func propagate() {
        let next = lines
        let changed = next ^ levels
        levels = next
        if changed != 0 {
            for number in 0..<IOAPIC.pinCount where changed & (1 << UInt32(number)) != 0 {
                let isAsserted = next & (1 << UInt32(number)) != 0
                ioAPIC.setLine(Self.pin(ofInterrupt: number), isAsserted)
                if number < 16 { controllers.setLine(number, isAsserted) }
            }
        }
        if timer.takePulses() != 0 { pulse(0) }
        if let pulses = highPrecisionTimer?.takePulses(), pulses != 0 {
            for number in 0..<IOAPIC.pinCount where pulses & (1 << UInt32(number)) != 0 { pulse(number) }
        }
        for message in highPrecisionTimer?.takeMessages() ?? [] { deliver(message, from: nil) }
        for message in pci?.takeMessages() ?? [] { deliver(message, from: nil) }
        settleControllers()
    }

    /// The ISA bus's interrupt 0 is at pin 2 of the IOAPIC, as QEMU's ACPI tables say.
    private static func pin(ofInterrupt number: Int) -> Int { number == 0 ? 2 : number }

    private mutating func pulse(_ number: Int) {
        ioAPIC.pulse(Self.pin(ofInterrupt: number))
        if number < 16 {
            controllers.setLine(number, true)
            controllers.setLine(number, false)
        }
    }

    /// Messages of the IOAPIC and the level of the 8259's output.
    mutating func settleControllers() {
        // An interrupt that ends lets the next one out: at most one more for each pin.
        for message in ioAPIC.takeMessages() { deliver(message, from: nil) }
        let output = controllers.output
        for index in localAPICs.indices { localAPICs[index].setLine(.lint0, output) }
    }

    /// Gives an interrupt to the local APICs that it is for.
    mutating func deliver(_ message: InterruptMessage, from sender: Int?) {
        let targets = localAPICs.indices.filter { localAPICs[$0].matches(message, isSender: $0 == sender) }
        if message.delivery == .lowestPriority {
            let candidates = targets.filter { localAPICs[$0].isEnabled }
                .map { (number: $0, priority: localAPICs[$0].processorPriority) }
            guard let chosen = LocalAPIC.arbitrate(candidates, after: lastArbitrated) else { return }
            lastArbitrated = chosen
            localAPICs[chosen].accept(message)
            return
        }
        for target in targets { localAPICs[target].accept(message) }
    }

    /// What a write to a local APIC's register means for the rest of the board.
    mutating func handle(_ effect: LocalAPIC.Effect, from index: Int) {
        switch effect {
        case .none: break
        case .send(let message): deliver(message, from: index)
        case .endOfInterrupt(let vector):
            ioAPIC.endOfInterrupt(vector: vector)
            settleControllers()
        }
    }

    /// The 8259 has an interrupt that the processor takes.
    func hasExternalInterrupt(forProcessor index: Int) -> Bool { localAPICs[index].hasExternalInterrupt }

    /// The vector from the 8259.
    mutating func acknowledgeExternalInterrupt(forProcessor index: Int) -> UInt8 {
        let vector = controllers.acknowledge()
        localAPICs[index].acknowledgeExternal()
        settleControllers()
        return vector
    }

    /// Levels of the lines after loading, without the edges of a change; then what waits goes out.
    mutating func restoreLines() {
        levels = lines
        ioAPIC.restoreLines(levels)
        ioAPIC.serviceAll()
        propagate()
    }

    /// The processor with an APIC ID.
    func processor(withAPIC id: UInt32) -> Int? { localAPICs.firstIndex { $0.initialID == id } }

    // MARK: The end of the run, and what is missing

    /// Notes why the run must end.
    mutating func end(_ exit: Exit) { self.exit = self.exit ?? exit }

    var hasExit: Bool { exit != nil }

    /// The reason to end, once.
    mutating func takeExit() -> Exit? {
        defer { exit = nil }
        return exit
    }

    /// At most so many notes are kept.
    private static let noteLimit = 64

    mutating func note(_ text: String) {
        guard notes.count < Self.noteLimit, !notes.contains(text) else { return }
        notes.append(text)
    }
}
