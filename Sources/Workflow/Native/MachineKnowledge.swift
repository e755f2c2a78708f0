import CPUModel
import GuestInspection
import Machine
import VMState

extension ProcessorModel {
    /// The table of CPUID leaves that a guest has seen. Of a fingerprint that does not know everything, the rest is the engine's own.
    init(_ fingerprint: CPUFingerprint) {
        var leaves = fingerprint.isComplete ? [:] : ProcessorModel.standard.leaves
        for (word, bits) in fingerprint.words {
            guard case .cpuid(let leaf, let subleaf, let register) = word else { continue }
            let key = UInt64(leaf) << 32 | UInt64(subleaf)
            var answer = leaves[key] ?? CPUIDLeaf()
            let known = UInt32(truncatingIfNeeded: bits.known)
            let value = UInt32(truncatingIfNeeded: bits.value)
            func put(_ target: inout UInt32) { target = target & ~known | value }
            switch register {
            case .eax: put(&answer.eax)
            case .ebx: put(&answer.ebx)
            case .ecx: put(&answer.ecx)
            case .edx: put(&answer.edx)
            }
            leaves[key] = answer
        }
        self.init(leaves: leaves)
    }
}

extension Stemma {
    /// How fast the guest expects its time-stamp counter to run: what KVM saved, else what its Linux measured, else this machine's.
    func timeStampRate(of state: StoredMachineState) -> UInt64? {
        if let cpu = try? state.stream.cpus().first, cpu.hasSubsection("cpu/tsc_khz") { return nil }
        if let kernel = try? linuxKernel(of: state), let address = kernel.symbol("tsc_khz"),
            let kilohertz = try? kernel.pages.integer(at: address, as: UInt32.self), kilohertz > 0
        {
            return UInt64(kilohertz) * 1000
        }
        return hostTicksPerSecond.map { UInt64($0) }
    }
}
