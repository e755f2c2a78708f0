import Expressions
import Foundation
import Hypervisor
import Lineage

/// What `stemma doctor` found out.
package struct Diagnosis: Sendable, Codable {
    /// One thing that was looked at.
    package struct Line: Sendable, Codable {
        package enum State: String, Sendable, Codable {
            case good
            /// Something does not work here, and Stemma can do without.
            case limited
            case bad
        }

        package let subject: String
        package let state: State
        package let finding: String
        package let advice: String
    }

    package internal(set) var lines: [Line] = []

    /// Everything that Stemma cannot do without is there.
    package var isFit: Bool { !lines.contains { $0.state == .bad } }

    package var text: String {
        lines.map { line in
            let mark =
                switch line.state {
                case .good: "✔"
                case .limited: "–"
                case .bad: "✘"
                }
            let subject = line.subject.padding(toLength: 12, withPad: " ", startingAt: 0)
            return "\(mark) \(subject)\(line.finding)" + (line.advice.isEmpty ? "" : "\n  " + line.advice)
        }.joined(separator: "\n")
    }

    mutating func add(_ subject: String, _ state: Line.State, _ finding: String, advice: String = "") {
        lines.append(Line(subject: subject, state: state, finding: finding, advice: advice))
    }
}

extension Stemma {
    /// Finds out what this machine can do, by trying.
    package func diagnose() async -> Diagnosis {
        var diagnosis = Diagnosis()
        do {
            let installation = try installation()
            progress.step("trying guests under TCG and KVM")
            let report = try await Doctor(installation).examine(kernel: kernelForTrial())
            diagnosis.add("QEMU", .good, "\(report.version) (\(report.qemu))")
            let names = ["pc", "q35"].compactMap { report.machines[$0] }
            diagnosis.add(
                "DBT target", report.tcg.isUsable ? .good : .bad,
                "TCG of QEMU \(report.version), machines "
                    + names.joined(separator: " and ") + ": \(report.tcg.reason)", advice: report.tcg.advice)
            diagnosis.add(
                "KVM", report.kvm.isUsable ? .good : .limited,
                report.kvm.isUsable ? "usable: \(report.kvm.reason)" : "not usable: \(report.kvm.reason)",
                advice: report.kvm.advice)
        } catch {
            diagnosis.add("QEMU", .bad, "\(error)")
        }
        do {
            diagnosis.add("solver", .good, try Z3Solver().name)
        } catch {
            diagnosis.add("solver", .bad, "\(error)")
        }
        addSpace(to: &diagnosis)
        return diagnosis
    }

    private func addSpace(to diagnosis: inout Diagnosis) {
        guard let values = try? FileManager.default.attributesOfFileSystem(forPath: home.root),
            let free = (values[.systemFreeSize] as? NSNumber)?.uint64Value
        else {
            diagnosis.add("disk space", .bad, "cannot be found out for \(home.root)")
            return
        }
        let isEnough = free >= 1 << 30
        diagnosis.add(
            "disk space", isEnough ? .good : .bad, "\(free >> 30) GiB free for \(home.root)",
            advice: isEnough ? "" : "A run needs room for what its guest writes; free at least 1 GiB.")
    }

    /// A kernel of some VM, to see whether KVM really boots Linux.
    private func kernelForTrial() throws -> String? {
        guard let kernel = try catalogue.vms().lazy.compactMap(\.head.commit.kernel).first else { return nil }
        let path = home.cache + "/kernel-\(kernel.short)"
        if !FileManager.default.fileExists(atPath: path) {
            try FileManager.default.createDirectory(atPath: home.cache, withIntermediateDirectories: true)
            try Data(store.blob(kernel)).write(to: URL(fileURLWithPath: path), options: .atomic)
        }
        return path
    }

    /// Throws, with reason and advice, unless KVM runs guests here.
    func requireKVM(_ installation: QEMUInstallation) async throws {
        progress.step("trying a guest under KVM")
        try await Doctor(installation).examineKVM(kernel: kernelForTrial()).requireUsable()
    }
}
