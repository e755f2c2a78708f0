import CPUModel
import Conversion
import GuestInspection
import Testing
import VMState

/// Streams that look as KVM writes them, made from those of TCG.
enum KVMLikeStream {
    /// The target of the tests: TCG of QEMU 7.2.
    static let target = TargetProfile.tcg(
        version: QEMUVersion(7, 2, 22), machineTypes: ["pc-i440fx-7.2", "pc-q35-7.2", "pc-i440fx-5.1", "microvm"])

    /// Adds what KVM adds: the section kvmclock, and counters that TCG does not know.
    static func make(_ kind: FixtureCase) throws -> (stream: MigrationStream, pages: RAMPageTable) {
        var (stream, pages) = try kind.fixture().parsed()
        try addClock(&stream)
        for var cpu in try stream.cpus() {
            // As if the CPUs had been read a few microseconds apart.
            cpu.tsc = 0x2b7_2efd_7f36 + UInt64(cpu.index) * 5000
            try stream.replace(cpu)
        }
        return (stream, pages)
    }

    /// The section as QEMU 7.2 writes it: 68 bytes with header and footer.
    static func addClock(_ stream: inout MigrationStream) throws {
        let name = "kvmclock/clock_is_reliable"
        let payload: [UInt8] =
            [0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0x05, UInt8(name.utf8.count)] + Array(name.utf8) + [0, 0, 0, 1, 1]
        try stream.insert(
            idstr: "kvmclock", versionID: 1, payload: payload,
            description: #"{"name": "kvmclock", "instance_id": 0, "vmsd_name": "kvmclock", "version": 1, "fields": "#
                + #"[{"name": "clock", "type": "uint64", "size": 8}], "subsections": [{"vmsd_name": "\#(name)", "#
                + #""version": 1, "fields": [{"name": "clock_is_reliable", "type": "bool", "size": 1}]}]}"#,
            at: 1 + 3 * stream.cpuCount + 1)
    }

    /// A context with the memory searched and nothing found.
    static func context(
        _ stream: MigrationStream, target: TargetProfile = target, origin: SnapshotOrigin? = nil,
        memory: (any GuestMemory)? = nil, log: [KernelLogEvidence]? = [], launch: LaunchRecord? = nil
    ) throws -> CheckContext {
        try CheckContext(
            stream: stream, target: target, origin: origin, memory: memory, kernelLog: log, launch: launch)
    }
}

extension CheckReport {
    /// The findings of a check.
    func findings(of check: String) -> [Finding] { findings.filter { $0.check == check } }

    /// The worst severity of a check.
    func severity(of check: String) -> Severity? { findings(of: check).map(\.severity).max() }
}
