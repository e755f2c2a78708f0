import Conversion
import Testing
import VMState

/// Interrupts, exceptions and run states that KVM leaves in its own fields: real streams edited to need each fix, and loaded
/// by a real QEMU afterwards.
@Suite struct EventFixTests {
    private let converter = SnapshotConverter()

    private func vector(_ section: DeviceSection?, _ register: String, _ vector: Int) throws -> Bool {
        let words = try #require(try section?.unsignedArray(register))
        return words[vector / 32] >> UInt64(vector % 32) & 1 != 0
    }

    @Test func c23GivesAnInterruptBack() throws {
        var (stream, pages) = try KVMLikeStream.make(.pcTwoCPUs)
        var cpu = try #require(try stream.cpus().last)
        cpu.interruptInjected = 0xec
        try stream.replace(cpu)
        // KVM marks the vector as in service when it takes it from the APIC; without that it is the 8259's.
        #expect(
            try converter.check(KVMLikeStream.context(stream), policy: .standard).severity(of: "C23") == .fatal)
        try stream.edit("apic", 1) { apic throws(VMStateError) in
            try apic.set("isr[7]", to: 1 << (0xec % 32))
            try apic.set("spurious_vec", to: 0x1ff)
        }
        let result = try converter.convert(
            KVMLikeStream.context(stream), expecting: "return-interrupt", for: "C23")
        let again = try RealTarget(result.stream, pages, of: .pcTwoCPUs).again
        #expect(try vector(again.device("apic", 1), "irr", 0xec))
        #expect(try !vector(again.device("apic", 1), "isr", 0xec))
        #expect(try again.cpus().map(\.interruptInjected) == [-1, -1])
        #expect(try again.device("cpu_common", 1)?.unsigned("interrupt_request") != 0)
        #expect(result.stream.device("cpu_common", 0) == stream.device("cpu_common", 0))
        // An instruction that interrupts is executed again.
        cpu.interruptInjected = 0x80
        try cpu.set("env.soft_interrupt", to: 1)
        try stream.replace(cpu)
        let soft = try converter.convert(KVMLikeStream.context(stream), expecting: "return-interrupt", for: "C23")
        #expect(try soft.stream.cpus().last?.interruptInjected == -1)
        #expect(soft.stream.device("apic", 1) == stream.device("apic", 1))
        pages = RAMPageTable()
    }

    @Test func c24TellsTheCPUToLook() throws {
        var (stream, pages) = try KVMLikeStream.make(.pc)
        try stream.edit("apic") { apic throws(VMStateError) in
            try apic.set("irr[1]", to: 1 << 0x1f)
            try apic.set("spurious_vec", to: 0x1ff)
        }
        let result = try converter.convert(KVMLikeStream.context(stream), expecting: "request-poll", for: "C24")
        #expect(try result.stream.device("cpu_common")?.unsigned("interrupt_request") == 0x10)
        let again = try RealTarget(result.stream, pages, of: .pc).again
        #expect(try again.device("cpu_common")?.unsigned("interrupt_request") ?? 0 & 0x12 != 0)
        // What a served interrupt of the same class keeps back is nothing to be told.
        try stream.edit("apic") { apic throws(VMStateError) in try apic.set("isr[1]", to: 1 << 0x10) }
        #expect(try converter.check(KVMLikeStream.context(stream), policy: .standard).severity(of: "C24") == .ok)
        pages = RAMPageTable()
    }

    @Test func c25ReturnsNMIsAndDropsFaults() throws {
        var (stream, pages) = try KVMLikeStream.make(.pc)
        var cpu = try #require(try stream.cpus().first)
        cpu.exceptionNumber = 14
        cpu.nmiInjected = 1
        cpu.hflags2 |= 4
        try stream.replace(cpu)
        let result = try converter.convert(KVMLikeStream.context(stream), expecting: "return-events", for: "C25")
        let again = try RealTarget(result.stream, pages, of: .pc).again
        let after = try #require(try again.cpus().first)
        #expect(after.exceptionNumber == -1)
        #expect(after.nmiInjected == 0)
        #expect(after.hflags2 & 4 == 0)
        #expect(try again.device("cpu_common")?.unsigned("interrupt_request") == 0x200)
        // A trap would be lost.
        cpu.exceptionNumber = 3
        try stream.replace(cpu)
        #expect(
            try converter.check(KVMLikeStream.context(stream), policy: .standard).severity(of: "C25") == .fatal)
        pages = RAMPageTable()
    }

    @Test func c26ParksCPUsThatNobodyStarted() throws {
        var (stream, pages) = try KVMLikeStream.make(.pcTwoCPUs)
        var cpu = try #require(try stream.cpus().last)
        cpu.mpState = 1
        try stream.replace(cpu)
        try stream.edit("cpu_common", 1) { common throws(VMStateError) in try common.set("halted", to: 0) }
        let result = try converter.convert(KVMLikeStream.context(stream), expecting: "park-cpus", for: "C26")
        let again = try RealTarget(result.stream, pages, of: .pcTwoCPUs, run: 200).again
        #expect(try again.device("cpu_common", 1)?.unsigned("halted") == 1)
        #expect(try again.device("apic", 1)?.signed("apic_sipi.wait_for_sipi") == 1)
        // It did not run.
        #expect(try again.cpus().last?.rip == cpu.rip)

        cpu.mpState = 4
        cpu.sipiVector = 0x9a
        try stream.replace(cpu)
        let started = try converter.convert(KVMLikeStream.context(stream), expecting: "park-cpus", for: "C26")
        #expect(try started.stream.device("apic", 1)?.signed("apic_sipi.sipi_vector") == 0x9a)
        #expect(try started.stream.device("cpu_common", 1)?.unsigned("interrupt_request") == 0x800)
        let running = try RealTarget(started.stream, pages, of: .pcTwoCPUs) {
            $0.device("apic", 1)?.contains("apic_sipi") == false
        }.again
        // The start-up interrupt was taken: the CPU began at the vector's page.
        #expect(running.device("apic", 1)?.contains("apic_sipi") == false)
        pages = RAMPageTable()
    }

    @Test func haltedCPUsAreLeftAlone() throws {
        var (stream, _) = try KVMLikeStream.make(.pcTwoCPUs)
        var cpu = try #require(try stream.cpus().last)
        cpu.mpState = 3
        try stream.replace(cpu)
        // A repair of the guest's kernel may have woken the CPU.
        for halted: UInt64 in [0, 1] {
            try stream.edit("cpu_common", 1) { common throws(VMStateError) in try common.set("halted", to: halted) }
            #expect(try converter.check(KVMLikeStream.context(stream), policy: .standard).severity(of: "C26") == .ok)
        }
    }

    @Test func c31AndC04DropSubsections() throws {
        var (stream, pages) = try KVMLikeStream.make(.pc)
        try stream.appendSubsection("cpu/mcg_ext_ctl", fields: [.int32("a", 0), .int32("b", 1)], to: "cpu")
        try stream.appendSubsection("cpu/msr_hwcr", fields: [.int32("a", 0), .int32("b", 0)], to: "cpu")
        let context = try KVMLikeStream.context(stream)
        let result = try converter.convert(context, expecting: "drop-hardware-tracing", for: "C31")
        #expect(result.fixes.contains { $0.fix == "drop-unknown-subsections" && $0.check == "C04" })
        let before = try FixtureCase.pc.fixture().parsed().stream
        #expect(result.stream.device("cpu")?.payload.count == before.device("cpu")?.payload.count)
        _ = try RealTarget(result.stream, pages, of: .pc)

        // In use, it is nothing that an old QEMU could load.
        try stream.removeSubsection("cpu/msr_hwcr", of: "cpu")
        try stream.appendSubsection("cpu/msr_hwcr", fields: [.int32("a", 0), .int32("b", 9)], to: "cpu")
        let used = try converter.check(KVMLikeStream.context(stream), policy: .standard)
        #expect(used.severity(of: "C04") == .fatal)
        pages = RAMPageTable()
    }
}
