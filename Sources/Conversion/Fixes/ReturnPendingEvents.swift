import VMState

/// C25: NMIs become requests, faults are dropped because RIP repeats them.
struct ReturnPendingEvents: StreamFix {
    static let id = "return-events"
    /// QEMU's flag for "NMIs are blocked" in `hflags2`.
    private static let blocksNMI: UInt32 = 1 << 2

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        for var cpu in try stream.cpus() {
            let name = cpu.section.name
            if let number = try PendingExceptionCheck.exception(cpu), PendingExceptionCheck.faults.contains(number) {
                changes.append(
                    StreamChange(section: name, field: "env.exception_nr", before: "\(number)", after: "none"))
                cpu.exceptionNumber = -1
                try cpu.set("env.has_error_code", to: 0)
            }
            if cpu.nmiInjected != 0 || cpu.nmiPending != 0 {
                changes.append(
                    StreamChange(
                        section: name, field: "env.nmi_injected, env.nmi_pending",
                        before: "\(cpu.nmiInjected), \(cpu.nmiPending)", after: "0, 0"))
                // KVM blocks further ones when it injects; this one has not begun.
                if cpu.nmiInjected != 0 { cpu.hflags2 &= ~Self.blocksNMI }
                cpu.nmiInjected = 0
                cpu.nmiPending = 0
                if let change = try stream.request(LocalInterrupts.nmi, ofCPU: cpu.index) { changes.append(change) }
            }
            try stream.replace(cpu)
        }
        return changes
    }
}
