import CPUModel
import Conversion
import Testing
import VMState

/// Checks of the CPU's state, the machine's and the command line's, on real streams that are edited to have what is looked for.
@Suite struct StateCheckTests {
    private let converter = SnapshotConverter()

    private func report(
        _ stream: MigrationStream, target: TargetProfile = KVMLikeStream.target, launch: LaunchRecord? = nil
    ) throws -> CheckReport {
        try converter.check(KVMLikeStream.context(stream, target: target, launch: launch), policy: .standard)
    }

    /// The stream of a KVM guest whose first CPU is edited.
    private func stream(_ edit: (inout CPUSection) throws -> Void) throws -> MigrationStream {
        var (stream, _) = try KVMLikeStream.make(.pc)
        var cpu = try #require(try stream.cpus().first)
        try edit(&cpu)
        try stream.replace(cpu)
        return stream
    }

    private func launch(
        cpu: String = "Haswell-noTSX", isKnown: Bool = true, megabytes: UInt64 = 16, cpus: Int = 1,
        disks: [LaunchRecord.Disk] = [], arguments: [String] = []
    ) -> LaunchRecord {
        LaunchRecord(
            machine: "pc-i440fx-7.2", cpu: cpu, isCPUKnown: isKnown, cpus: cpus, memoryBytes: megabytes << 20,
            disks: disks, arguments: arguments)
    }

    @Test func everyCheckExplainsItself() {
        #expect(SnapshotChecks.all.count >= 44)
        #expect(Set(SnapshotChecks.all.map(\.id)).count == SnapshotChecks.all.count)
        for check in SnapshotChecks.all {
            #expect(check.explanation.split(separator: " ").count >= 25, "\(check.id)")
            #expect(!check.explanation.contains("\n"), "\(check.id)")
            if let fix = check.fix { #expect(SnapshotConverter.fixes.contains(fix), "\(check.id)") }
        }
        #expect(SnapshotChecks.check("c09")?.id == "C09")
    }

    @Test(
        arguments: [
            (1 << 17, "C11", "PCIDE"), (1 << 13, "C12", "VMXE"), (1 << 13, "C30", "VMXE"), (1 << 23, "C12", "CET"),
            (1 << 40, "C12", "bit 40"),
        ] as [(UInt64, String, String)])
    func bitsOfCR4ThatTCGLacksAreFatal(_ bits: UInt64, _ check: String, _ name: String) throws {
        let stream = try stream { $0.cr4 |= bits }
        let result = try report(stream)
        #expect(result.severity(of: check) == .fatal)
        #expect(result.findings(of: check).first?.evidence.contains { $0.value.contains(name) } == true)
        #expect(try report(stream, target: TargetProfile.kvm(KVMLikeStream.target)).severity(of: check) == .ok)
    }

    @Test func extendedStateIsComparedWithTheTarget() throws {
        let wide = try stream {
            $0.cr4 |= 1 << 18
            $0.xcr0 = 0xe7
        }
        #expect(try report(wide).severity(of: "C13") == .fatal)
        #expect(try report(wide).findings(of: "C13").first?.evidence.first?.value.contains("ZMM_Hi256") == true)
        // Without OSXSAVE, XCR0 is its reset value.
        #expect(try report(stream { $0.xcr0 = 0xe7 }).severity(of: "C13") == .ok)
        let keys = try stream {
            $0.cr4 |= 1 << 18
            $0.xcr0 = 0x207
        }
        #expect(try report(keys).severity(of: "C13") == .ok)
        #expect(try report(keys).severity(of: "C15") == .warning)
        let s2e = try #require(TargetProfile.recorded.first { $0.name == "s2e-libcpu" })
        let plain = try stream {
            $0.cr4 |= 1 << 18
            $0.xcr0 = 7
        }
        #expect(try report(plain).severity(of: "C13") == .ok)
        #expect(try report(plain, target: s2e).severity(of: "C13") == .fatal)
        #expect(try report(plain, target: s2e).severity(of: "C12") == .fatal)
    }

    @Test func subsectionsTellOfHardware() throws {
        func finding(_ name: String, _ check: String) throws -> Severity? {
            var (stream, _) = try KVMLikeStream.make(.pc)
            try stream.appendSubsection(name, fields: [.int32("high", 0), .int32("low", 0x100)], to: "cpu")
            return try report(stream).severity(of: check)
        }
        #expect(try finding("cpu/xss", "C13") == .fatal)
        #expect(try finding("cpu/avx512", "C16") == .fatal)
        // TCG's streams have this one already, with zero, which is what KVM writes for guests that poll.
        #expect(try report(KVMLikeStream.make(.pc).stream).severity(of: "C22") == .note)
        #expect(try finding("cpu/msr_hyperv_hypercall", "C29") == .fatal)
        #expect(try finding("cpu/nested_state", "C30") == .fatal)
        #expect(try finding("cpu/intel_pt", "C31") == .fixable)
        #expect(try finding("cpu/spec_ctrl", "C32") == .note)
        #expect(try finding("cpu/xen_vcpu", "C04") == .fatal)
    }

    @Test func theCommandLineTellsOfFeatures() throws {
        let stream = try stream {
            $0.cr4 |= 1 << 18
            $0.xcr0 = 7
        }
        #expect(try report(stream, launch: launch(cpu: "Skylake-Server,+xsavec")).severity(of: "C14") == .fatal)
        #expect(try report(stream, launch: launch(cpu: "host,-xsavec,-xsaves")).severity(of: "C14") == .ok)
        #expect(try report(stream).severity(of: "C14") == .note)
        let wide = try report(stream, launch: launch(cpu: "Haswell,+avx512f"))
        #expect(wide.severity(of: "C38") == .warning)
        #expect(wide.findings(of: "C38").first?.evidence.first?.value.contains("avx512f") == true)
    }

    @Test func theCommandLineIsMadeForTheTarget() throws {
        let stream = try stream {
            $0.cr4 |= 1 << 18 | 1 << 20 | 1 << 11
            $0.xcr0 = 7
            $0.efer |= 1 << 11
        }
        func cpu(_ text: String, isKnown: Bool = true) throws -> String? {
            let context = try KVMLikeStream.context(stream, launch: launch(cpu: text, isKnown: isKnown))
            let result = try converter.convert(context, policy: .standard)
            #expect(result.launch?.arguments == ["-global", "ioapic.version=0x11"])
            return result.launch?.cpu
        }
        #expect(try cpu("host,-tsc-deadline,-x2apic,kvm=off,-kvm-pv-eoi") == "max,-tsc-deadline,-x2apic")
        #expect(try cpu("EPYC", isKnown: false) == "max")
        #expect(try cpu("Haswell-noTSX,enforce") == "Haswell-noTSX,+umip,+xsave,+smep,+nx,+avx")
        let capture = try KVMLikeStream.context(stream).captureModel
        #expect(try cpu(capture.kvmArgument) == capture.targetArgument)
        // A model whose definition is known to have them needs no features of its own.
        var context = try KVMLikeStream.context(stream, launch: launch(cpu: "Haswell-noTSX,-umip"))
        var definition = CPUFingerprint(source: FingerprintSource(.definitions))
        for name in ["umip", "xsave", "smep", "nx", "avx"] {
            for feature in FeatureTable.standard.qemu(name) { definition.set(feature.bit, to: true) }
        }
        context.modelDefinition = definition
        #expect(try converter.convert(context, policy: .standard).launch?.cpu == "Haswell-noTSX,+umip")
        // x2APIC, where the target has it, has to be asked for.
        var switched = stream
        try switched.edit("apic") { apic throws(VMStateError) in try apic.set("apicbase", to: 0xfee0_0d00) }
        let newer = try #require(TargetProfile.recorded.first { $0.name == "qemu-tcg-10.0" })
        let result = try converter.convert(
            KVMLikeStream.context(switched, target: newer, launch: launch(cpu: "qemu64")), policy: .standard)
        #expect(result.launch?.cpu.contains("+x2apic") == true)
    }

    @Test func c33AsksForWiderAddresses() throws {
        // Page tables in pages 0x500 to 0x503, whose last entry maps an address of 46 bits.
        var (stream, pages) = try KVMLikeStream.make(.pc)
        var cpu = try #require(try stream.cpus().first)
        cpu.cr0 |= 1 << 31
        cpu.efer |= 1 << 10
        cpu.cr3 = 0x50_0000
        try stream.replace(cpu)
        for level: UInt64 in 0..<4 {
            let entry = level < 3 ? 0x50_1000 + level << 12 | 3 : 1 << 45 | 3
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: entry >> UInt64(8 * $0)) }
            pages.set("pc.ram", page: 0x500 + level, to: bytes + [UInt8](repeating: 0, count: 4088))
        }
        let table = pages
        let memory = try SnapshotMemory(stream) { table.page(block: $0, page: $1, into: $2) }
        let context = try KVMLikeStream.context(stream, memory: memory, launch: launch(cpu: "host"))
        let result = try converter.convert(context, expecting: "set-phys-bits", for: "C33")
        #expect(result.launch?.cpu == "max,phys-bits=46")
        _ = try RealTarget(result.stream, pages, of: .pc, cpu: "max,phys-bits=46")
        // Masks of memory types that QEMU has filled up are no reason.
        let masks = try self.stream { try $0.set("env.mtrr_var[0].mask", to: 0xf_ffff_8000_0800) }
        #expect(try report(masks).severity(of: "C33") == .ok)
    }

    @Test func theMachineIsComparedWithItsCommandLine() throws {
        let (stream, _) = try KVMLikeStream.make(.pc)
        let context = try KVMLikeStream.context(stream, launch: launch(megabytes: 64, cpus: 2))
        let result = try converter.convert(context, expecting: "set-memory-size", for: "C34")
        #expect(result.fixes.contains { $0.fix == "set-cpu-count" && $0.check == "C03" })
        #expect(result.launch?.memoryBytes == 16 << 20)
        #expect(result.launch?.cpus == 1)
        // A disk that the stream does not have, and a display that the command line does not have.
        #expect(try report(stream, launch: launch(disks: [.init(slot: 4)])).severity(of: "C37") == .fatal)
        let (display, _) = try KVMLikeStream.make(.pcTwoCPUs)
        let missing = try report(display, launch: launch(megabytes: 32, cpus: 2))
        #expect(missing.severity(of: "C03") == .fatal)
        #expect(missing.findings(of: "C03").first?.evidence.first?.section?.contains("vga") == true)
        let given = try report(display, launch: launch(megabytes: 32, cpus: 2, arguments: ["-device", "VGA"]))
        #expect(given.severity(of: "C03") == .ok)
    }

    @Test func c37ComparesTheDisksSize() throws {
        let (stream, _) = try FixtureCase.pcSavevm.fixture().parsed()
        let section = try #require(stream.devices(ofModel: "virtio-blk").first)
        let slot = try #require(Int(section.idstr.dropFirst(8).prefix(2), radix: 16))
        func severity(_ bytes: UInt64) throws -> Severity? {
            try report(stream, launch: launch(disks: [.init(slot: slot, bytes: bytes)])).severity(of: "C37")
        }
        #expect(try severity(16 << 20) == .ok)
        #expect(try severity(17 << 20) == .warning)
    }

    @Test func c36RefusesDeadMachines() throws {
        var (stream, _) = try KVMLikeStream.make(.pc)
        func report(_ state: String) throws -> CheckReport {
            try stream.edit("globalstate") { section throws(VMStateError) in
                let bytes = Array(state.utf8)
                let size = try section.bytes("runstate").count
                try section.set("runstate", toBytes: bytes + [UInt8](repeating: 0, count: size - bytes.count))
            }
            return try self.report(stream)
        }
        #expect(try report("running").severity(of: "C36") == .ok)
        #expect(try report("guest-panicked").severity(of: "C36") == .fatal)
        #expect(try report("internal-error").findings(of: "C36").first?.title.contains("accelerator") == true)
    }

    @Test func c07ComparesRates() throws {
        var (stream, _) = try KVMLikeStream.make(.pc)
        try stream.appendSubsection("cpu/tsc_khz", fields: [.int32("high", 0), .int32("low", 2_000_000)], to: "cpu")
        var context = try KVMLikeStream.context(stream)
        context.targetTicksPerSecond = 2.01e9
        // The field's name is QEMU's in real streams; here the subsection has two halves.
        #expect(throws: ConversionError.self) { try converter.check(context, policy: .standard) }
    }

    @Test func theWayBack() throws {
        var (stream, _) = try FixtureCase.pcTwoCPUs.fixture().parsed()
        try stream.edit("cpu_common", 0) { common throws(VMStateError) in
            try common.set("interrupt_request", to: 0x202)
        }
        try stream.appendSubsection("cpu/svm_guest", fields: [.int32("int_ctl", 0x200)], to: "cpu", 1)
        let target = TargetProfile.kvm(KVMLikeStream.target)
        var record = launch(cpu: "max,enforce", megabytes: 32, cpus: 2, arguments: ["-device", "VGA"])
        let context = try KVMLikeStream.context(stream, target: target, launch: record)
        let before = try converter.check(context, policy: .standard)
        for check in ["C41", "C42", "C43", "C44"] { #expect(before.severity(of: check) == .fixable, "\(check)") }
        #expect(before.severity(of: "C45") == .warning)
        let result = try converter.convert(context, policy: .standard)
        let cpus = try result.stream.cpus()
        let ticks = try #require(try stream.device("timer")?.unsigned("cpu_ticks_offset"))
        #expect(cpus.map(\.tsc) == cpus.map { ticks &+ $0.tscOffset })
        #expect(cpus[0].nmiPending == 1)
        #expect(try result.stream.device("cpu_common", 0)?.unsigned("interrupt_request") == 2)
        #expect(cpus[1].hasSubsection("cpu/svm_guest") == false)
        // SeaBIOS has left the second CPU halted, or it waits for its start.
        #expect([1, 3].contains(cpus[1].mpState))
        #expect(result.launch?.cpu == "max")

        // There and back again: nothing is left to do for TCG.
        record.cpu = "max"
        let again = try converter.check(
            KVMLikeStream.context(result.stream, origin: .kvm, launch: record), policy: .standard)
        #expect(again.severity(of: "C06") == .ok)

        // Five levels of page tables are what most hosts lack; QEMU itself refuses there.
        var cpu = try #require(try stream.cpus().first)
        cpu.cr4 |= 1 << 12
        try stream.replace(cpu)
        let deep = try converter.check(KVMLikeStream.context(stream, target: target), policy: .standard)
        #expect(deep.findings(of: "C45").contains { $0.severity == .warning && $0.title.contains("five levels") })
    }
}
