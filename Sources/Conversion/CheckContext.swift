import CPUModel
import GuestInspection
import VMState

/// All that a check may look at.
package struct CheckContext: Sendable {
    /// The snapshot without RAM.
    package var stream: MigrationStream
    /// Its CPUs in order.
    package var cpus: [CPUSection]
    /// What shall resume it.
    package var target: TargetProfile
    /// Who ran the guest.
    package var origin: SnapshotOrigin
    /// What was found of the kernel's log in RAM; nil if RAM was not searched.
    package var kernelLog: [KernelLogEvidence]?
    /// What the guest saw of its CPU when it booted: recorded with the snapshot, or given by the user; nil if unknown.
    /// ``InferredFingerprint`` tells what the snapshot itself proves.
    package var fingerprint: CPUFingerprint?
    /// What QEMU defines the model of the command line to have; nil if there is no command line, or it names no such model.
    package var modelDefinition: CPUFingerprint?
    /// The guest's RAM; nil if it cannot be read. Fixes that edit RAM need it.
    package var memory: (any GuestMemory)?
    /// What is known of the command line; nil for a stream alone.
    package var launch: LaunchRecord?
    /// Rate of the time stamp counter on the machine that shall go on, in counts a second, where it is known.
    package var targetTicksPerSecond: Double?
    /// The guest's Linux kernel; nil if it was not looked for, or is none.
    package var kernel: LinuxKernel?
    /// CPU with which the snapshot could be taken again, for the remedies.
    package var captureModel: CaptureModel

    /// Collects what checks need.
    ///
    /// - Parameters:
    ///   - origin: who ran the guest, if that is known from elsewhere.
    ///   - memory: the guest's RAM, where it can be read.
    ///   - kernel: the guest's Linux kernel, if it was looked for and found.
    ///   - kernelLog: what ``KernelLogScanner`` found, or nil if RAM was not searched.
    ///   - launch: the command line, where it is known.
    ///   - vendor: the host's CPU vendor, for the advice how to take the snapshot again.
    ///   - fingerprint: what the guest saw of its CPU, if that is known.
    package init(
        stream: MigrationStream, target: TargetProfile, origin: SnapshotOrigin? = nil,
        memory: (any GuestMemory)? = nil, kernel: LinuxKernel? = nil, kernelLog: [KernelLogEvidence]? = nil,
        launch: LaunchRecord? = nil, vendor: CPUVendor = .intel, fingerprint: CPUFingerprint? = nil
    ) throws(VMStateError) {
        self.stream = stream
        self.target = target
        self.memory = memory
        self.kernel = kernel
        self.kernelLog = kernelLog
        self.launch = launch
        self.fingerprint = fingerprint
        cpus = try stream.cpus()
        guard !cpus.isEmpty else { throw VMStateError(.notFound, "the snapshot has no section of a CPU") }
        captureModel = CaptureModel(vendor: vendor, target: target)
        if let origin, origin != .unknown {
            self.origin = origin
        } else {
            self.origin = SnapshotOrigin(inferredFrom: stream, cpus: cpus)
        }
    }

    /// The remedy of everything that a guest got used to under KVM.
    var captureAgain: String {
        "Boot the guest again with '-cpu \(captureModel.kvmArgument)' and take the snapshot anew"
    }
}
