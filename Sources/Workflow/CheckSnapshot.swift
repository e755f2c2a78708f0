import CPUModel
import ContentStore
import Conversion
import Foundation
import GuestInspection
import Hypervisor
import Lineage
import VMState

extension CheckReport {
    /// For people: the verdict, then each finding that matters with its evidence, effect and remedy.
    package var text: String {
        let word =
            switch verdict {
            case .fatal: "\(target) cannot go on with it, and no fix is known"
            case .fixable: "\(target) can go on with it after 'stemma convert'"
            default: "\(target) can go on with it"
            }
        var lines = [
            "\(origin.rawValue) snapshot of \(machine ?? "an unnamed machine"), \(cpus) CPU: \(word)"
        ]
        for finding in findings { lines.append(finding.text) }
        return lines.joined(separator: "\n")
    }
}

extension Finding {
    fileprivate var text: String {
        var lines = ["\(severity.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)) \(check)  \(title)"]
        guard severity != .ok else { return lines[0] }
        for piece in evidence {
            let place = [piece.section, piece.field].compactMap { $0 }.joined(separator: " ")
            lines.append("             found:  \(place.isEmpty ? "" : place + " = ")\(piece.value)")
        }
        if !effect.isEmpty { lines.append("             effect: \(effect)") }
        if !remedy.isEmpty { lines.append("             remedy: \(remedy)") }
        if let reason { lines.append("             policy: \(reason)") }
        return lines.joined(separator: "\n")
    }
}

extension Stemma {
    /// Checks whether a target can go on with a snapshot.
    ///
    /// - Parameter target: its name; nil for the one that the policy names, else the installed QEMU's translator.
    package func check(_ reference: Reference, policy: PolicySource, target: String? = nil) async throws -> CheckReport
    {
        let snapshot = try catalogue.snapshot(reference)
        let policy = try policy.load()
        let context = try await checkContext(snapshot, target: self.target(target, policy: policy), policy: policy)
        return try SnapshotConverter().check(context, policy: policy)
    }

    /// What the checks look at: device sections, what the commit knows, and the log in the guest's memory.
    func checkContext(
        _ snapshot: NamedCommit, target: TargetProfile, policy: ConversionPolicy = .standard
    ) async throws -> CheckContext {
        let state = try machineState(of: snapshot)
        var context = try CheckContext(
            stream: state.stream, target: target,
            origin: SnapshotOrigin(rawValue: snapshot.commit.attributes[Attribute.accelerator] ?? ""),
            memory: try guestMemory(of: state), launch: launchRecord(of: snapshot), vendor: hostVendor,
            fingerprint: try recordedFingerprint(of: snapshot.commit))
        if let launch = context.launch, launch.isCPUKnown {
            // Without QEMU there is nobody to define it, and the checks say what they do not know.
            context.modelDefinition = try? await modelCatalog().fingerprint(of: CPUArgument(launch.cpu))
        }
        // Several CPUs make it matter how the kernel lets them reach each other; repairs need the kernel in any case.
        if policy.repairs == .linux || context.cpus.count > 1 { context.findKernel() }
        if context.kernel?.types == nil { context.kernelLog = try kernelLog(of: state) }
        context.targetTicksPerSecond = hostTicksPerSecond
        return context
    }

    /// The vendor of this machine's CPU, for advice about taking snapshots.
    var hostVendor: CPUVendor {
        CPUVendor(cpuinfo: (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? "") ?? .intel
    }

    /// The guest's RAM by guest-physical address, or nil where the machine's memory map is not known.
    private func guestMemory(of state: StoredMachineState) throws -> SnapshotMemory? {
        guard let block = state.stream.mainRAM, let root = state.ram[block.idstr] else { return nil }
        let store = store
        do {
            return try SnapshotMemory(state.stream) { _, page, buffer in
                try store.page(root, index: page, into: buffer) ? .data : .zero
            }
        } catch let error where error.code == .unsupported {
            return nil
        }
    }

    /// The guest's Linux kernel, if it can be found.
    func linuxKernel(of state: StoredMachineState, readsTypes: Bool = true) throws -> LinuxKernel? {
        guard let memory = try guestMemory(of: state) else { return nil }
        return try? LinuxKernel.find(
            in: memory, processors: state.stream.cpus().map(PagingRegisters.init), readsTypes: readsTypes)
    }

    /// Searches the guest's main memory. Only several CPUs make its log matter.
    private func kernelLog(of state: StoredMachineState) throws -> [KernelLogEvidence]? {
        guard state.stream.cpuCount > 1, let block = state.stream.mainRAM, let root = state.ram[block.idstr] else {
            return nil
        }
        // Records of the log do not cross the hole below 4 GiB, so that offsets in the block serve as addresses.
        let store = store
        let memory = ClosureMemory(pages: [0..<block.pageCount]) { page, buffer in
            try store.page(root, index: page, into: buffer)
        }
        return try KernelLogScanner().scan(memory)
    }
}
