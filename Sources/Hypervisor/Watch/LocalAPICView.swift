/// What QEMU's human monitor shows of a local APIC (`info lapic`, QEMU: target/i386/cpu-apic.c).
package struct LocalAPICView: Sendable, Hashable, Codable {
    /// How the timer counts (Intel SDM volume 3, 11.5.4).
    package enum TimerMode: String, Sendable, Hashable, Codable {
        case oneShot, periodic
        case deadline = "tsc-deadline"
        case reserved
    }

    /// The timer's entry of the local vector table.
    package var timerEntry: UInt32
    package var initialCount: UInt32
    package var currentCount: UInt32
    /// The spurious interrupt vector register; bit 8 enables the APIC.
    package var spurious: UInt32
    /// Vectors in service.
    package var inService: [UInt8]
    /// Vectors that are requested and not taken.
    package var requested: [UInt8]

    package init(
        timerEntry: UInt32 = 0x10000, initialCount: UInt32 = 0, currentCount: UInt32 = 0, spurious: UInt32 = 0x1ff,
        inService: [UInt8] = [], requested: [UInt8] = []
    ) {
        self.timerEntry = timerEntry
        self.initialCount = initialCount
        self.currentCount = currentCount
        self.spurious = spurious
        self.inService = inService
        self.requested = requested
    }

    package var timerMode: TimerMode {
        switch timerEntry >> 17 & 3 {
        case 0: .oneShot
        case 1: .periodic
        case 2: .deadline
        default: .reserved
        }
    }
    package var timerIsMasked: Bool { timerEntry & 0x10000 != 0 }
    package var timerVector: UInt8 { UInt8(truncatingIfNeeded: timerEntry) }
    package var isEnabled: Bool { spurious & 0x100 != 0 }

    /// Reads QEMU's text; nil when it has no timer entry, as for a CPU without an APIC.
    package init?(text: String) {
        self.init()
        var found = false
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = words.first else { continue }
            switch first {
            case "LVTT":
                guard words.count > 1, let value = Self.number(words[1]) else { continue }
                timerEntry = value
                found = true
            case "SPIV": if words.count > 1, let value = Self.number(words[1]) { spurious = value }
            case "Timer":
                initialCount = Self.value(of: "initial_count", in: words)
                currentCount = Self.value(of: "current_count", in: words)
            case "ISR": inService = words.dropFirst().compactMap { UInt8($0) }
            case "IRR": requested = words.dropFirst().compactMap { UInt8($0) }
            default: break
            }
        }
        guard found else { return nil }
    }

    private static func number(_ word: Substring) -> UInt32? {
        word.hasPrefix("0x") ? UInt32(word.dropFirst(2), radix: 16) : UInt32(word)
    }

    /// The number behind `name =`.
    private static func value(of name: String, in words: [Substring]) -> UInt32 {
        guard let place = words.firstIndex(of: Substring(name)), place + 2 < words.count else { return 0 }
        return UInt32(words[place + 2]) ?? 0
    }
}
