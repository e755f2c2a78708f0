import VMState

/// C23: gives an interrupt on its way into the CPU back to the APIC.
struct ReturnInFlightInterrupt: StreamFix {
    static let id = "return-interrupt"

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        for (position, var cpu) in try stream.cpus().enumerated() where cpu.interruptInjected >= 0 {
            let vector = Int(cpu.interruptInjected)
            let isSoft = try cpu.unsigned("env.soft_interrupt") != 0
            if !isSoft {
                guard let local = try LocalInterrupts.ofCPU(position, in: stream), local.served.contains(vector) else {
                    continue
                }
                try stream.edit("apic", local.section.instanceID) { section throws(VMStateError) in
                    try section.setVector(vector, in: "isr", to: false)
                    try section.setVector(vector, in: "irr", to: true)
                }
                changes.append(
                    StreamChange(
                        section: local.section.name, field: "isr, irr", before: "vector \(hex(vector)) in service",
                        after: "requested"))
                if let change = try stream.request(LocalInterrupts.poll, ofCPU: cpu.index) { changes.append(change) }
            }
            changes.append(
                StreamChange(
                    section: cpu.section.name, field: "env.interrupt_injected", before: hex(vector), after: "none"))
            cpu.interruptInjected = -1
            try cpu.set("env.soft_interrupt", to: 0)
            try stream.replace(cpu)
        }
        return changes
    }
}

/// C24: tells CPUs to look at their APICs.
struct RequestPoll: StreamFix {
    static let id = "request-poll"

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        for (position, cpu) in try stream.cpus().enumerated() {
            guard try LocalInterrupts.ofCPU(position, in: stream)?.deliverable != nil,
                let change = try stream.request(LocalInterrupts.poll, ofCPU: cpu.index)
            else { continue }
            changes.append(change)
        }
        return changes
    }
}
