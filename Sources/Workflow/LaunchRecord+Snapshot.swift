import Conversion
import Foundation
import Hypervisor
import Lineage

extension MachineConfiguration {
    /// Takes over what a conversion changed of the command line.
    mutating func adopt(_ launch: LaunchRecord) {
        cpu = launch.cpu
        cpus = launch.cpus
        memoryMiB = Int(clamping: launch.memoryBytes >> 20)
        extraArguments = launch.arguments
    }
}

extension Stemma {
    /// The command line that belongs to a snapshot; nil if its commit has no machine that this version reads.
    func launchRecord(of snapshot: NamedCommit) -> LaunchRecord? {
        guard let machine = try? configuration(of: snapshot.commit, named: snapshot.name.text) else { return nil }
        return LaunchRecord(
            machine: machine.machine, cpu: machine.cpu, isCPUKnown: snapshot.commit.attributes[Attribute.cpu] != nil,
            cpus: machine.cpus, memoryBytes: machine.memoryBytes,
            disks: machine.disks.map {
                LaunchRecord.Disk(slot: $0.slot, bytes: snapshot.commit.disks[$0.id]?.length)
            }, arguments: machine.extraArguments)
    }

    /// How fast this machine's time stamp counter runs, as far as the kernel tells: TCG's runs alike.
    var hostTicksPerSecond: Double? {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        for line in text.split(separator: "\n") where line.hasPrefix("model name") {
            // The rated frequency is that of the counter; "cpu MHz" changes with the load.
            if let rated = line.range(of: #"@ [0-9.]+GHz"#, options: .regularExpression) {
                return Double(line[rated].dropFirst(2).dropLast(3)).map { $0 * 1e9 }
            }
        }
        return nil
    }
}
