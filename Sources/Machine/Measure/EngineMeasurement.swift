/// How fast a machine executed.
package struct EngineMeasurement: Sendable {
    /// Guest instructions that retired.
    package let instructions: UInt64
    /// Time on the host's clock.
    package let seconds: Double
    /// Why the last run came back.
    package let exit: Exit

    /// Million guest instructions per second.
    package var millionsPerSecond: Double { seconds > 0 ? Double(instructions) / seconds / 1e6 : 0 }
}

extension Machine {
    /// Runs the active processor and measures it. The engine is the one of `MachineOptions.usesMachineCode`.
    ///
    /// - Parameters:
    ///   - instructions: guest instructions to retire; it ends earlier when the guest stops.
    ///   - warmUp: instructions to retire before the clock starts, so that pages are read and code is translated.
    package func measure(instructions: UInt64, warmUp: UInt64 = 0) -> EngineMeasurement {
        if warmUp > 0 {
            let exit = run(budget: warmUp)
            if exit != .budget { return EngineMeasurement(instructions: 0, seconds: 0, exit: exit) }
        }
        let first = retiredInstructions
        let clock = ContinuousClock()
        var exit = Exit.budget
        let duration = clock.measure { exit = run(budget: instructions) }
        let parts = duration.components
        return EngineMeasurement(
            instructions: retiredInstructions &- first,
            seconds: Double(parts.seconds) + Double(parts.attoseconds) * 1e-18, exit: exit)
    }
}
