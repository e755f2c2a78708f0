import VMState

/// C26: CPUs that KVM keeps from running are halted for TCG as well.
struct ParkCPUs: StreamFix {
    static let id = "park-cpus"

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        let apics = stream.devices(named: "apic")
        for (position, cpu) in try stream.cpus().enumerated() {
            guard try !RunStateOfCPUsCheck.isConsistent(cpu, position: position, stream) else { continue }
            try stream.edit("cpu_common", cpu.index) { section throws(VMStateError) in
                guard try section.unsigned("halted") == 0 else { return }
                try section.set("halted", to: 1)
                changes.append(StreamChange(section: section.name, field: "halted", before: "0", after: "1"))
            }
            guard position < apics.count else { continue }
            let apic = apics[position]
            let isReceived = cpu.mpState == RunStateOfCPUsCheck.sipiReceived
            if apic.contains("apic_sipi") { try stream.removeSubsection("apic_sipi", of: apic.idstr, apic.instanceID) }
            try stream.appendSubsection(
                "apic_sipi",
                fields: [
                    .int32("sipi_vector", isReceived ? Int32(truncatingIfNeeded: cpu.sipiVector) : 0),
                    .int32("wait_for_sipi", 1),
                ], to: apic.idstr, apic.instanceID)
            changes.append(
                StreamChange(section: apic.name, field: "apic_sipi", before: "none", after: "waits for its start"))
            if isReceived, let change = try stream.request(LocalInterrupts.sipi, ofCPU: cpu.index) {
                changes.append(change)
            }
        }
        return changes
    }
}
