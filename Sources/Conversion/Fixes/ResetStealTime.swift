/// C19: no CPU is preempted, and nobody is writing.
struct ResetStealTime: SnapshotFix {
    static let id = "reset-steal-time"

    func apply(to snapshot: inout EditableSnapshot, context: CheckContext) throws -> [StreamChange] {
        for area in try SharedArea.all(.stealTime, in: context) {
            let version: UInt32 = area.bytes.littleEndian(8)
            if version % 2 == 1 {
                try snapshot.memory.write(version &+ 1, at: area.address + 8, subject: "\(area.subject), version")
            }
            try snapshot.memory.write([0], at: area.address + 16, subject: "\(area.subject), preempted")
        }
        return []
    }
}

/// C20: the guest ends the interrupt at its APIC.
struct ClearEndOfInterrupt: SnapshotFix {
    static let id = "clear-pv-eoi"

    func apply(to snapshot: inout EditableSnapshot, context: CheckContext) throws -> [StreamChange] {
        for area in try SharedArea.all(.endOfInterrupt, in: context) where area.bytes[0] & 1 != 0 {
            try snapshot.memory.write([area.bytes[0] & ~1], at: area.address, subject: area.subject)
        }
        return []
    }
}
