import VMState

/// The request and service registers of a local APIC.
struct LocalInterrupts: Sendable {
    let section: DeviceSection
    private let requested: [UInt64]
    private let inService: [UInt64]
    private let taskPriority: UInt64
    /// The spurious vector register's enable bit.
    let isEnabled: Bool

    /// Bits of `cpu_common.interrupt_request` (QEMU, `include/exec/cpu-all.h` and `target/i386/cpu.h`).
    static let hard: UInt64 = 0x02
    static let poll: UInt64 = 0x10
    static let smi: UInt64 = 0x40
    static let nmi: UInt64 = 0x200
    static let sipi: UInt64 = 0x800

    /// Reads a section `apic`.
    init(_ section: DeviceSection) throws(VMStateError) {
        self.section = section
        requested = try section.unsignedArray("irr")
        inService = try section.unsignedArray("isr")
        taskPriority = try section.unsigned("tpr")
        isEnabled = try section.unsigned("spurious_vec") & 0x100 != 0
        guard requested.count == 8, inService.count == 8 else {
            throw VMStateError(.inconsistent, "the request registers are not 8 words", section: section.name)
        }
    }

    /// The APIC of a CPU: its section's instance is the initial APIC id, which the APIC of CPU i has in the i-th section.
    static func ofCPU(_ index: Int, in stream: MigrationStream) throws(VMStateError) -> LocalInterrupts? {
        let sections = stream.devices(named: "apic")
        return index < sections.count ? try LocalInterrupts(sections[index]) : nil
    }

    /// Vectors that wait.
    var pending: [Int] { Self.vectors(requested) }
    /// Vectors that are being served.
    var served: [Int] { Self.vectors(inService) }

    /// The highest waiting vector, if nothing of its class or above keeps it back.
    var deliverable: Int? {
        guard isEnabled, let highest = pending.last else { return nil }
        let masked = max(Int(taskPriority) >> 4, (served.last ?? 0) >> 4)
        return highest >> 4 > masked ? highest : nil
    }

    private static func vectors(_ words: [UInt64]) -> [Int] {
        (0..<256).filter { words[$0 / 32] >> UInt64($0 % 32) & 1 != 0 }
    }
}

extension DeviceSection {
    /// Sets or clears a vector's bit in `irr`, `isr` or `tmr` of an APIC.
    mutating func setVector(_ vector: Int, in register: String, to isSet: Bool) throws(VMStateError) {
        let path = "\(register)[\(vector / 32)]"
        let bit = UInt64(1) << UInt64(vector % 32)
        let word = try unsigned(path)
        try set(path, to: isSet ? word | bit : word & ~bit)
    }
}

extension MigrationStream {
    /// Sets bits of a CPU's `interrupt_request`, so that TCG looks at what waits; returns the change, if there was one.
    mutating func request(_ bits: UInt64, ofCPU index: UInt32) throws(VMStateError) -> StreamChange? {
        var change: StreamChange?
        try edit("cpu_common", index) { section throws(VMStateError) in
            let before = try section.unsigned("interrupt_request")
            guard before & bits != bits else { return }
            try section.set("interrupt_request", to: before | bits)
            change = StreamChange(
                section: section.name, field: "interrupt_request", before: hex(before), after: hex(before | bits))
        }
        return change
    }
}
