/// What an observation says about a guest.
package enum GuestVerdict: String, Sendable, Hashable, Codable {
    /// It executes instructions and takes interrupts.
    case alive
    /// It was reset, by a triple fault or by itself.
    case reset
    /// Its kernel panicked, or QEMU stopped it or ended.
    case stopped
    /// It switched itself off.
    case switchedOff
    /// It meets instructions again and again that its CPU does not know.
    case invalidOpcodes
    /// No CPU did anything, and no interrupt came.
    case silent
    /// CPUs execute instructions, but no interrupt came.
    case spinning
    /// Interrupts come, but the guest's own clock stands still.
    case clockStands

    /// Whether somebody can work with such a guest.
    package var isHealthy: Bool { self == .alive || self == .switchedOff }
}

extension GuestObservation {
    /// The number of invalid opcodes in user mode from which they count as a storm: a program that probes its CPU by
    /// trying (as some cryptographic libraries do) meets a few.
    package static let stormLimit = 20

    /// What the facts amount to. The first that applies, from the surest to the vaguest.
    package var verdict: GuestVerdict {
        switch ending {
        case .tripleFault, .reset: return .reset
        case .panicked, .stopped, .ended: return .stopped
        case .switchedOff: return .switchedOff
        case nil: break
        }
        // A kernel that meets one has lost the thread that met it, unless it meant it.
        let inKernel = invalidOpcodes.contains { !$0.isUser && !$0.isIntended }
        if inKernel || invalidOpcodeCount >= Self.stormLimit { return .invalidOpcodes }
        if isQuiet, interruptCount == 0 || lastingClock == nil {
            return cpus.contains(where: \.moved) ? .spinning : .silent
        }
        return clockStands ? .clockStands : .alive
    }

    /// Fewer than one interrupt in two seconds: those that were under way when the guest was saved, and no more. A kernel that does nothing
    /// has more.
    private var isQuiet: Bool { !logWasFull && Double(interruptCount) * 2 < seconds }

    /// Linux counts 100 jiffies a second at least, and makes up for those of its sleep. One that makes less than a twentieth of that way
    /// took an interrupt that was under way when it was saved, and no more.
    private var clockStands: Bool {
        guard let clock = lastingClock else { return false }
        func stands(_ start: UInt64, _ seconds: Double) -> Bool {
            clock.last <= start || Double(clock.last - start) < seconds * 5
        }
        if let middle = clock.middle, let seconds = clock.secondsSinceMiddle, seconds >= 1, stands(middle, seconds) {
            return true
        }
        return stands(clock.first, clock.seconds)
    }

    /// The guest's clock, if it was watched long enough to be judged: a kernel that sleeps counts when it wakes.
    private var lastingClock: Clock? { clock.flatMap { $0.seconds >= 1 ? $0 : nil } }

    /// One line for people: the verdict with the facts that it rests on.
    package var text: String {
        let time = "\(Int(seconds.rounded())) s"
        switch verdict {
        case .alive:
            var parts = ["\(interruptCount)\(logWasFull ? " and more" : "") interrupts"]
            if timerInterruptCount > 0 { parts.append("\(timerInterruptCount) of them from APIC timers") }
            if let clock { parts.append("\(clock.name) went on by \(clock.last &- clock.first)") }
            if consoleBytes > 0 { parts.append("\(consoleBytes) bytes on the console") }
            return "the guest lives: \(parts.joined(separator: ", ")) in \(time)"
        case .reset:
            return ending == .tripleFault
                ? "the guest was reset after \(time) by a triple fault\(opcodeText.map { ": " + $0 } ?? "")"
                : "the guest reset itself after \(time)\(opcodeText.map { ": " + $0 } ?? "")"
        case .stopped:
            switch ending {
            case .panicked: return "the guest's kernel panicked after \(time)"
            case .ended: return "QEMU ended after \(time)"
            default: return "QEMU stopped the guest after \(time): \(status)"
            }
        case .switchedOff: return "the guest switched itself off after \(time)"
        case .invalidOpcodes:
            return "the guest met \(invalidOpcodeCount) invalid instructions in \(time)"
                + (opcodeText.map { ", \($0)" } ?? "")
        case .silent: return "the guest does nothing: \(cpuText), and \(interruptText) came in \(time)"
        case .spinning: return "the guest runs in circles: \(cpuText), and \(interruptText) came in \(time)"
        case .clockStands:
            let (first, last) = (clock?.first ?? 0, clock?.last ?? 0)
            let late = clock?.middle.map { last > $0 ? last - $0 : 0 }
            return "the guest's clock stands: \(interruptCount) interrupts came in \(time), but \(clock?.name ?? "it") "
                + (last > first
                    ? "went on by \(last - first) only" + (late.map { ", by \($0) in the second half" } ?? "")
                    : "stayed at \(last)")
        }
    }

    private var opcodeText: String? {
        guard let worst = invalidOpcodes.max(by: { $0.count < $1.count }) else { return nil }
        let address = "0x" + String(worst.address, radix: 16)
        let bytes = worst.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        return "\(worst.isUser ? "a program" : "the kernel") at \(address)"
            + (bytes.isEmpty ? "" : " (\(bytes))")
    }

    private var interruptText: String {
        switch interruptCount {
        case 0: "no interrupt"
        case 1: "only one interrupt"
        default: "only \(interruptCount) interrupts"
        }
    }

    private var cpuText: String {
        let halted = cpus.count { $0.registers.isHalted }
        if cpus.count == 1 { return halted == 1 ? "its CPU is halted" : "its CPU runs" }
        return halted == cpus.count ? "all \(cpus.count) CPUs are halted" : "\(halted) of \(cpus.count) CPUs are halted"
    }
}
