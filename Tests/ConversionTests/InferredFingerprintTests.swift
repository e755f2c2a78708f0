import CPUModel
import Conversion
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
}
