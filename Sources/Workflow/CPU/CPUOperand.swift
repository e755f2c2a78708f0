import CPUModel
import Foundation
import Hypervisor
import Lineage

/// What a user names as a CPU on the command line.
package enum CPUOperand: Sendable, Hashable, CustomStringConvertible {
    /// `tcg:Haswell`, `kvm:host,-pcid`: a `-cpu` argument of the installed QEMU, under an accelerator.
    case model(LaunchOptions.Accelerator, String)
    /// `host`: this machine, as its Linux sees it.
    case host
    /// `qemu-tcg-10.0`, `s2e-libcpu`, `stemma-engine`: a target by its name.
    case target(String)
    /// A file in any of the forms that are read; of a list of models, one as `FILE#MODEL`.
    case file(String, model: String?)
    /// `VM` or `VM:SNAPSHOT`.
    case reference(Reference)

    /// Reads an operand.
    ///
    /// In this order: `tcg:` and `kvm:`, `host`, something with a `/` or a file that exists, a target's name, and last a VM.
    ///
    /// - Throws: ``LineageError`` for what can be none of them.
    package init(parsing text: String) throws {
        for accelerator in [LaunchOptions.Accelerator.tcg, .kvm] where text.hasPrefix(accelerator.rawValue + ":") {
            let cpu = String(text.dropFirst(accelerator.rawValue.count + 1))
            guard !cpu.isEmpty else {
                throw WorkflowError(
                    .usage, "'\(text)' names no CPU model: write for example '\(accelerator.rawValue):max'.")
            }
            self = .model(accelerator, cpu)
            return
        }
        let parts = text.split(separator: "#", maxSplits: 1).map(String.init)
        if text == "host" {
            self = .host
        } else if let path = parts.first, path.contains("/") || FileManager.default.fileExists(atPath: path) {
            self = .file(path, model: parts.count == 2 ? parts[1] : nil)
        } else if TargetNames.all.contains(text) {
            self = .target(text)
        } else {
            self = .reference(try Reference(parsing: text))
        }
    }

    package var description: String {
        switch self {
        case .model(let accelerator, let cpu): "\(accelerator.rawValue):\(cpu)"
        case .host: "host"
        case .target(let name): name
        case .file(let path, let model): path + (model.map { "#\($0)" } ?? "")
        case .reference(let reference): reference.description
        }
    }
}

/// The names of targets that need no file.
package enum TargetNames {
    /// The translator of the installed QEMU.
    package static let installed = "installed-tcg"
    /// Stemma's own engine.
    package static let engine = "stemma-engine"

    /// All of them.
    package static let all = [installed, engine] + TargetProfile.recordedNames
}

/// A CPU that was named, and what is known of it.
package struct KnownCPU: Sendable {
    /// As the user wrote it.
    package let title: String
    package let fingerprint: CPUFingerprint
    /// Where the knowledge comes from, in words.
    package var source: String { fingerprint.source.text }
}

extension FingerprintSource {
    /// For people: how this is known.
    package var text: String {
        let what =
            switch kind {
            case .probe: "asked by the probe guest"
            case .monitor: "told by QEMU about its CPU"
            case .expansion: "QEMU's definition of the model"
            case .definitions: "QEMU's list of what is missing"
            case .cpuinfo: "the flags in /proc/cpuinfo"
            case .cpuid: "output of cpuid -r"
            case .domain: "libvirt's XML of a domain"
            case .capabilities: "libvirt's XML of capabilities"
            case .snapshot: "inferred"
            case .profile: "written down"
            case .baseline: "computed"
            }
        let cpu = cpu.map { " -cpu \($0)" } ?? ""
        let accelerator = accelerator.map { " \($0.rawValue.uppercased())" } ?? ""
        return what + (detail.isEmpty && cpu.isEmpty ? "" : " (\((detail + accelerator + cpu).drop { $0 == " " }))")
    }
}
