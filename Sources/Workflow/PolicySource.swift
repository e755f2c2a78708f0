import CPUModel
import Conversion
import Foundation
import Hypervisor

/// Where the policy comes from.
package enum PolicySource: Sendable, Hashable {
    /// One that Stemma comes with, by its name.
    case builtIn(String)
    case file(String)

    /// The one that is used unless the user says otherwise.
    package static let standard = PolicySource.builtIn("default")

    /// A built-in policy's name, or else a file.
    package init(_ text: String) {
        self = BuiltInPolicies.names.contains(text) ? .builtIn(text) : .file(text)
    }

    func load() throws -> ConversionPolicy {
        switch self {
        case .builtIn(let name): return try ConversionPolicy(builtIn: name)
        case .file(let path):
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw WorkflowError(
                    .usage,
                    "The policy \(path) cannot be read. Policies that Stemma comes with: "
                        + BuiltInPolicies.names.joined(separator: ", ") + ".")
            }
            return try ConversionPolicy(yaml: String(decoding: bytes, as: UTF8.self), name: path)
        }
    }
}

extension Stemma {
    /// The target of a name (or a file that describes it): the one that the user names, else the policy's, else the installed QEMU's translator.
    func target(_ name: String?, policy: ConversionPolicy) async throws -> TargetProfile {
        guard let name = name ?? policy.target else { return try await translator(installation()) }
        if name == TargetProfile.kvmName { return .kvm(try await translator(installation())) }
        return try await self.target(name)
    }
}
