/// What a guest did while it was watched, as facts: what they mean is ``verdict``.
package struct GuestObservation: Sendable, Hashable, Codable {
    /// A virtual CPU at the end.
    package struct CPU: Sendable, Hashable, Codable {
        package var index: Int
        /// Its registers changed between two looks.
        package var moved: Bool
        package var registers: ProcessorView
        /// Its local APIC; nil when QEMU did not show it.
        package var apic: LocalAPICView?

        package init(index: Int, moved: Bool, registers: ProcessorView, apic: LocalAPICView? = nil) {
            self.index = index
            self.moved = moved
            self.registers = registers
            self.apic = apic
        }
    }

    /// An instruction that the CPU does not know (#UD), by its place.
    package struct InvalidOpcode: Sendable, Hashable, Codable {
        /// Guest-virtual address.
        package var address: UInt64
        /// Whether in user mode.
        package var isUser: Bool
        package var count: Int
        /// The first bytes of the instruction; empty when they could not be read.
        package var bytes: [UInt8]

        /// UD2: Linux marks the places of bugs and warnings with it.
        package var isIntended: Bool { bytes.starts(with: [0x0f, 0x0b]) }

        package init(address: UInt64, isUser: Bool, count: Int = 1, bytes: [UInt8] = []) {
            self.address = address
            self.isUser = isUser
            self.count = count
            self.bytes = bytes
        }
    }

    /// Why the watch ended before its time.
    package enum Ending: String, Sendable, Hashable, Codable {
        /// A triple fault: an exception that the guest had no handler for.
        case tripleFault
        /// The guest reset itself.
        case reset
        /// The guest switched itself off.
        case switchedOff
        /// The guest said that its kernel panicked.
        case panicked
        /// QEMU stopped the guest: see ``GuestObservation/status``.
        case stopped
        /// QEMU ended.
        case ended
    }

    /// How long it was watched, in seconds.
    package var seconds: Double
    /// QEMU's word for the guest's state at the end.
    package var status: String
    package var ending: Ending?
    package var cpus: [CPU]
    /// Hardware interrupts that CPUs took, by vector.
    package var interrupts: [Int: Int]
    /// Exceptions by vector.
    package var exceptions: [Int: Int]
    package var invalidOpcodes: [InvalidOpcode]
    /// The log of interrupts grew too long and was closed; numbers are those until then.
    package var logWasFull: Bool
    /// The guest's own clock, a counter in its memory, at the beginning and at the end.
    package var clock: Clock?
    /// Bytes that came over the serial console.
    package var consoleBytes: Int

    /// Two readings of a counter in guest memory.
    package struct Clock: Sendable, Hashable, Codable {
        /// What it is, for example `jiffies_64`.
        package var name: String
        package var first: UInt64
        package var last: UInt64
        /// The time between the two.
        package var seconds: Double
        /// What it said when half of a longer watch was over: a kernel that is about to stand still first makes up for the time for which
        /// it was not there.
        package var middle: UInt64?
        /// The time from then to the end.
        package var secondsSinceMiddle: Double?

        package init(
            name: String, first: UInt64, last: UInt64, seconds: Double, middle: UInt64? = nil,
            secondsSinceMiddle: Double? = nil
        ) {
            self.name = name
            self.first = first
            self.last = last
            self.seconds = seconds
            self.middle = middle
            self.secondsSinceMiddle = secondsSinceMiddle
        }
    }

    package init(
        seconds: Double = 0, status: String = "running", ending: Ending? = nil, cpus: [CPU] = [],
        interrupts: [Int: Int] = [:], exceptions: [Int: Int] = [:], invalidOpcodes: [InvalidOpcode] = [],
        logWasFull: Bool = false, clock: Clock? = nil, consoleBytes: Int = 0
    ) {
        self.seconds = seconds
        self.status = status
        self.ending = ending
        self.cpus = cpus
        self.interrupts = interrupts
        self.exceptions = exceptions
        self.invalidOpcodes = invalidOpcodes
        self.logWasFull = logWasFull
        self.clock = clock
        self.consoleBytes = consoleBytes
    }

    /// All hardware interrupts.
    package var interruptCount: Int { interrupts.values.reduce(0, +) }
    /// All invalid opcodes, also those whose place was not noted.
    package var invalidOpcodeCount: Int { exceptions[6] ?? 0 }
    /// Interrupts of the local APIC timers.
    package var timerInterruptCount: Int {
        Set(cpus.compactMap(\.apic?.timerVector)).map { interrupts[Int($0)] ?? 0 }.reduce(0, +)
    }
}
