import CPUModel
import ContentStore
import Foundation
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
    ///
    /// - Parameter commit: the snapshot's, under which the answer of its Linux is remembered: finding it takes longer than everything
    ///   else before the first instruction.
    func timeStampRate(of state: StoredMachineState, commit: Digest? = nil) -> UInt64? {
        if let cpu = try? state.stream.cpus().first, cpu.hasSubsection("cpu/tsc_khz") { return nil }
        let kilohertz = commit.map { remembered($0) { measuredRate(state) } } ?? measuredRate(state)
        return kilohertz > 0 ? UInt64(kilohertz) * 1000 : hostTicksPerSecond.map { UInt64($0) }
    }

    /// What the guest's Linux measured, in kHz; 0 for a guest that does not say.
    private func measuredRate(_ state: StoredMachineState) -> UInt32 {
        guard let kernel = try? linuxKernel(of: state, readsTypes: false), let address = kernel.symbol("tsc_khz")
        else { return 0 }
        return (try? kernel.pages.integer(at: address, as: UInt32.self)) ?? 0
    }

    /// A number that depends on a commit alone, from the cache, or found out and put there unless it is 0.
    private func remembered(_ commit: Digest, _ find: () -> UInt32) -> UInt32 {
        let directory = home.cache + "/clock"
        let path = directory + "/" + commit.hex
        if let data = FileManager.default.contents(atPath: path),
            let value = UInt32(String(decoding: data.prefix(16), as: UTF8.self))
        {
            return value
        }
        let value = find()
        guard value > 0 else { return 0 }
        // A cache that cannot be written, for example because the home is read-only, is no error.
        try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try? Data("\(value)".utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        return value
    }
}
