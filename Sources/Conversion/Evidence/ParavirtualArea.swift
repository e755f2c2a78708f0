import VMState

/// Pieces of RAM that a guest shares with KVM, one per CPU (Linux, `Documentation/virt/kvm/x86/msr.rst`).
enum ParavirtualArea: String, Sendable, CaseIterable {
    /// `pvclock_vcpu_time_info`, 32 bytes.
    case clock
    /// `kvm_steal_time`, 64 bytes.
    case stealTime
    /// `kvm_vcpu_pv_apf_data`, 64 bytes.
    case asyncPageFaults
    /// The word whose bit 0 spares the guest the end of an interrupt.
    case endOfInterrupt

    /// For people.
    var name: String {
        switch self {
        case .clock: "kvmclock page"
        case .stealTime: "steal time"
        case .asyncPageFaults: "asynchronous page faults"
        case .endOfInterrupt: "end-of-interrupt word"
        }
    }

    /// Bytes that matter.
    var size: Int {
        switch self {
        case .clock: 32
        case .stealTime: 17
        case .asyncPageFaults: 8
        case .endOfInterrupt: 4
        }
    }

    /// Where the MSR is in a CPU's section.
    var field: String {
        switch self {
        case .clock: "env.system_time_msr"
        case .stealTime: "cpu/steal_time_msr"
        case .asyncPageFaults: "cpu/async_pf_msr"
        case .endOfInterrupt: "cpu/async_pv_eoi_msr"
        }
    }

    private var addressMask: UInt64 {
        switch self {
        case .clock: ~1
        case .stealTime, .asyncPageFaults: ~63
        case .endOfInterrupt: ~3
        }
    }

    /// The guest-physical address, or nil if the guest has not switched it on.
    func address(_ cpu: CPUSection) throws(VMStateError) -> UInt64? {
        let value = self == .clock ? cpu.systemTimeMSR : try cpu.first(of: field) ?? 0
        return value & 1 == 0 ? nil : value & addressMask
    }
}

/// A shared area with its contents.
struct SharedArea: Sendable {
    let kind: ParavirtualArea
    let cpu: CPUSection
    let address: UInt64
    /// As many as ``ParavirtualArea/size``.
    let bytes: [UInt8]

    /// The areas of a kind that can be read. Those that are no RAM, or cannot be read, are left out.
    static func all(_ kind: ParavirtualArea, in context: CheckContext) throws(VMStateError) -> [SharedArea] {
        var list: [SharedArea] = []
        for cpu in context.cpus {
            guard let address = try kind.address(cpu),
                case .bytes(let bytes) = try context.read(address, count: kind.size)
            else { continue }
            list.append(SharedArea(kind: kind, cpu: cpu, address: address, bytes: bytes))
        }
        return list
    }

    /// Evidence with the area's place.
    func evidence(_ value: String) -> Finding.Evidence {
        Finding.Evidence(section: "memory", field: "\(hex(address)) (\(subject))", value: value)
    }

    /// What the bytes are, for records of changes.
    var subject: String { "\(kind.name) of \(cpu.section.name)" }
}

/// CPUs that have an area switched on, as evidence, for findings that RAM cannot settle.
extension ParavirtualArea {
    func evidence(_ context: CheckContext) throws(VMStateError) -> [Finding.Evidence] {
        var list: [Finding.Evidence] = []
        for cpu in context.cpus {
            guard let address = try address(cpu) else { continue }
            list.append(
                Finding.Evidence(section: cpu.section.name, field: field, value: "on, at \(hex(address))"))
        }
        return list
    }
}
