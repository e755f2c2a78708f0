import CPUModel
import Conversion
import GuestInspection
import TestSupport
import Testing
import VMState

@Suite struct InferredFingerprintTests {
    @Test func registersProveFeatures() throws {
        var (stream, _) = try KVMLikeStream.make(.pc)
        for var cpu in try stream.cpus() {
            // OSFXSR, UMIP, PCIDE, OSXSAVE, SMEP; SCE, LME, LMA, NXE; x87, SSE, AVX; kvmclock on.
            cpu.cr4 = 1 << 9 | 1 << 11 | 1 << 17 | 1 << 18 | 1 << 20
            cpu.efer = 0xd01
            cpu.xcr0 = 7
            cpu.systemTimeMSR = 0x1000 | 1
            try stream.replace(cpu)
        }
        let inferred = try InferredFingerprint(stream)
        for name in ["sse", "umip", "pcid", "xsave", "smep", "syscall", "lm", "nx", "avx", "kvmclock-2"] {
            #expect(inferred.fingerprint[name] == true, "\(name)")
        }
        // What is not proved is not denied.
        for name in ["smap", "avx512f", "x2apic", "vmx"] { #expect(inferred.fingerprint[name] == nil, "\(name)") }
        #expect(inferred.evidence.contains { $0.feature == "pcid" && $0.place == "cpu#0 CR4.PCIDE" })
        #expect(inferred.fingerprint.source.kind == .snapshot)
        #expect(inferred.fingerprint.source.detail.contains("XCR0.AVX"))
    }

    @Test func theLAPICProvesItsModes() throws {
        var (stream, _) = try KVMLikeStream.make(.pc)
        try stream.edit("apic") { (section) throws(VMStateError) in
            try section.set("apicbase", to: section.unsigned("apicbase") | 1 << 10)
            try section.set("lvt[0]", to: 0x4_00ec)
        }
        let inferred = try InferredFingerprint(stream)
        #expect(inferred.fingerprint["x2apic"] == true && inferred.fingerprint["tsc-deadline"] == true)
    }

    @Test(arguments: [FixtureCase.pc, .q35FourCPUs, .pcSavevm])
    func nothingIsInferredThatQEMUsCPUDoesNotHave(_ kind: FixtureCase) throws {
        // The fixtures are guests of TCG: whatever is found, TCG provides.
        let inferred = try InferredFingerprint(kind.fixture().parsed().stream)
        let target = try #require(KVMLikeStream.target.features)
        #expect(CPUDifference(from: inferred.fingerprint, to: target).lost.isEmpty)
    }

    /// A kernel that remembers a CPU with features in two words, which its types number in another order than usual.
    private func kernel(
        capabilities: [UInt32], vendor: String = "AuthenticAMD", readsTypes: Bool = true
    ) throws -> LinuxKernel? {
        var types = KernelTypeSection()
        let byte = types.type(1, "u8", 1, [8])
        let word = types.type(1, "u32", 4, [32])
        let vendorID = types.type(3, "", 0, [byte, word, 16])
        let words = types.type(3, "", 0, [word, word, UInt32(capabilities.count)])
        types.structure(
            "cpuinfo_x86", size: 64,
            [
                ("x86_model", byte, 0), ("x86", byte, 1), ("x86_stepping", byte, 4), ("x86_capability", words, 8),
                ("x86_vendor_id", vendorID, 32),
            ])
        _ = types.type(
            6, "cpuid_leafs", 4, count: 2,
            [types.string("CPUID_7_0_EBX"), 0, types.string("CPUID_1_ECX"), 2])
        var data: [UInt8] = [0x31, 0x19, 0, 0, 2, 0, 0, 0]
        data += capabilities.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        data += [UInt8](repeating: 0, count: 32 - data.count) + Array(vendor.utf8)
        data += [UInt8](repeating: 0, count: 64 - data.count)
        let synthetic = SyntheticKernel(types: types, variables: [("boot_cpu_data", data)])
        let memory = ClosureMemory(pages: [0..<2048]) { page, buffer in
            buffer.copyBytes(from: synthetic.memory[Int(page) * 4096..<Int(page + 1) * 4096])
            return true
        }
        let registers = PagingRegisters(
            cr0: 1 << 31, cr3: SyntheticKernel.cr3, cr4: 0x20, efer: 0xd01, lstar: SyntheticKernel.lstar, idtBase: 0)
        return try LinuxKernel.find(in: memory, processors: [registers], readsTypes: readsTypes)
    }

    @Test func symbolsComeWithoutTypes() throws {
        let whole = try #require(try kernel(capabilities: [1, 2, 3]))
        let symbols = try #require(try kernel(capabilities: [1, 2, 3], readsTypes: false))
        #expect(whole.types != nil && symbols.types == nil)
        #expect(symbols.release == whole.release)
        #expect(
            whole.symbol("boot_cpu_data") != nil && symbols.symbol("boot_cpu_data") == whole.symbol("boot_cpu_data"))
    }

    @Test func aLinuxKernelRemembersItsCPU() throws {
        let (stream, _) = try KVMLikeStream.make(.pc)
        // AVX2 and ERMS; a word that no enumerator names; SSSE3 and POPCNT.
        let kernel = try #require(try kernel(capabilities: [1 << 5 | 1 << 9, 0xffff_ffff, 1 << 9 | 1 << 23]))
        #expect(kernel.release == "6.99.0-test")
        let inferred = try InferredFingerprint(stream, kernel: kernel)
        let fingerprint = inferred.fingerprint
        #expect(fingerprint.vendor == "AuthenticAMD")
        #expect(fingerprint.signature == CPUFingerprint.Signature(family: 0x19, model: 0x31, stepping: 2))
        for name in ["avx2", "erms", "ssse3", "popcnt"] { #expect(fingerprint[name] == true, "\(name)") }
        // What the kernel has cleared may have been there all the same.
        for name in ["bmi1", "sse4.2", "3dnow"] { #expect(fingerprint[name] == nil, "\(name)") }
        #expect(
            inferred.evidence.contains {
                $0.feature == "avx2" && $0.place == "boot_cpu_data x86_capability[0] bit 5"
            })
        #expect(fingerprint.source.detail.contains("boot_cpu_data"))
    }

    @Test func dataOfAnotherFormIsLeftOut() throws {
        let (stream, _) = try KVMLikeStream.make(.pc)
        let kernel = try #require(try kernel(capabilities: [1 << 5, 0, 0], vendor: "Authentic"))
        let inferred = try InferredFingerprint(stream, kernel: kernel)
        #expect(inferred.fingerprint["avx2"] == nil && inferred.fingerprint.vendor == nil)
    }
}
