import Conversion
import GuestInspection
import Testing
import VMState

/// What the guest shares with KVM in RAM: clock pages, steal time, asynchronous page faults, ends of interrupts.
@Suite struct SharedAreaTests {
    private let converter = SnapshotConverter()

    /// A snapshot with the areas of each CPU in a page of its own, from page 0x500 on.
    private struct Guest {
        var stream: MigrationStream
        var pages: RAMPageTable
        let kind: FixtureCase

        init(_ kind: FixtureCase) throws {
            (stream, pages) = try KVMLikeStream.make(kind)
            self.kind = kind
        }

        func address(_ cpu: UInt32) -> UInt64 { 0x50_0000 + UInt64(cpu) << 12 }

        mutating func put(_ bytes: [UInt8], at address: UInt64) {
            var page = [UInt8](repeating: 0, count: 4096)
            _ = page.withUnsafeMutableBytes {
                pages.page(block: RAMBlock(idstr: "pc.ram", usedLength: 32 << 20), page: address >> 12, into: $0)
            }
            page.replaceSubrange(Int(address & 0xfff)..<Int(address & 0xfff) + bytes.count, with: bytes)
            pages.set("pc.ram", page: address >> 12, to: page)
        }

        mutating func addMSR(_ name: String, _ value: UInt64, cpu: UInt32) throws {
            let (high, low) = (Int32(truncatingIfNeeded: value >> 32), Int32(truncatingIfNeeded: value))
            try stream.appendSubsection(name, fields: [.int32("high", high), .int32("low", low)], to: "cpu", cpu)
        }

        func context() throws -> CheckContext {
            let table = pages
            let memory = try SnapshotMemory(stream) { block, page, buffer in
                table.page(block: block, page: page, into: buffer)
            }
            return try KVMLikeStream.context(stream, memory: memory)
        }

        /// Bytes of the converted guest's RAM.
        func bytes(_ result: SnapshotConverter.Result, _ address: UInt64, _ count: Int) -> [UInt8] {
            let page = result.changedPages[address >> 12] ?? pages.pages["pc.ram"]?[address >> 12] ?? []
            return Array(page[Int(address & 0xfff)..<Int(address & 0xfff) + count])
        }
    }

    private func little(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }

    /// A clock page: 1 GHz, so that counts are nanoseconds.
    private func clock(version: UInt32, timestamp: UInt64, time: UInt64) -> [UInt8] {
        little(UInt64(version), 4) + [0, 0, 0, 0] + little(timestamp, 8) + little(time, 8) + little(0x8000_0000, 4)
            + [1, 1, 0, 0]
    }

    @Test func c19ClearsPreemptedCPUs() throws {
        var guest = try Guest(.pcTwoCPUs)
        for cpu: UInt32 in 0..<2 {
            try guest.addMSR("cpu/steal_time_msr", guest.address(cpu) + 0x40 | 1, cpu: cpu)
            // Steal time 5, version 6 and 7, preempted.
            guest.put(
                little(5, 8) + little(6 + UInt64(cpu), 4) + little(0, 4) + [1], at: guest.address(cpu) + 0x40)
        }
        let result = try converter.convert(guest.context(), expecting: "reset-steal-time", for: "C19")
        for cpu: UInt32 in 0..<2 {
            let bytes = guest.bytes(result, guest.address(cpu) + 0x40, 17)
            #expect(bytes == little(5, 8) + little(6 + UInt64(cpu) * 2, 4) + little(0, 4) + [0])
        }
        let fix = try #require(result.fixes.first { $0.fix == "reset-steal-time" })
        #expect(fix.memory.map(\.address) == [0x50_0050, 0x50_1048, 0x50_1050])
        #expect(fix.memory[0].subject.contains("cpu#0"))
        _ = try RealTarget(result.stream, guest.pages, of: guest.kind, changedPages: result.changedPages, run: 50)

        // Without RAM there is nothing but a warning.
        let blind = try converter.check(KVMLikeStream.context(guest.stream), policy: .standard)
        #expect(blind.severity(of: "C19") == .warning)
    }

    @Test func c08WritesTornClockPagesAnew() throws {
        var guest = try Guest(.pcTwoCPUs)
        for var cpu in try guest.stream.cpus() {
            cpu.systemTimeMSR = guest.address(cpu.index) + 0x80 | 1
            try guest.stream.replace(cpu)
        }
        // The guest's counter stands at 0x2b7_2efd_7f36. One page is being written, the other in order.
        let counter: UInt64 = 0x2b7_2efd_7f36
        guest.put(clock(version: 9, timestamp: counter - 1000, time: 5_000_000), at: guest.address(0) + 0x80)
        guest.put(clock(version: 8, timestamp: counter - 500, time: 5_000_500), at: guest.address(1) + 0x80)
        let result = try converter.convert(guest.context(), expecting: "settle-clock-page", for: "C08")
        #expect(
            guest.bytes(result, guest.address(0) + 0x80, 32) == clock(version: 10, timestamp: counter, time: 5_001_000))
        #expect(result.changedPages.count == 1)

        // A counter ahead of the guest's keeps its time.
        guest.put(clock(version: 8, timestamp: counter + 7, time: 5_000_000), at: guest.address(0) + 0x80)
        let ahead = try converter.convert(guest.context(), expecting: "settle-clock-page", for: "C08")
        #expect(
            guest.bytes(ahead, guest.address(0) + 0x80, 32) == clock(version: 8, timestamp: counter, time: 5_000_000))

        // In order, it is a note.
        guest.put(clock(version: 8, timestamp: counter, time: 5_000_000), at: guest.address(0) + 0x80)
        let fine = try converter.check(guest.context(), policy: .standard)
        #expect(fine.severity(of: "C08") == .note)
        #expect(fine.severity(of: "C28") == .note)
    }

    @Test func c18WakesEverybody() throws {
        var guest = try Guest(.pc)
        try guest.addMSR("cpu/async_pf_msr", guest.address(0) | 0xb, cpu: 0)
        // Without an interrupt, nothing can be done.
        #expect(try converter.check(guest.context(), policy: .standard).severity(of: "C18") == .warning)
        try guest.addMSR("cpu/async_pf_int_msr", 0xf3, cpu: 0)
        let result = try converter.convert(guest.context(), expecting: "wake-page-fault-sleepers", for: "C18")
        #expect(guest.bytes(result, guest.address(0), 8) == little(0xffff_ffff_0000_0000, 8))
        let irr = try #require(try result.stream.device("apic")?.unsignedArray("irr"))
        #expect(irr[7] >> 0x13 & 1 == 1)
        #expect(try result.stream.device("cpu_common")?.unsigned("interrupt_request") == 0x10)
        _ = try RealTarget(result.stream, guest.pages, of: guest.kind, changedPages: result.changedPages)
    }

    @Test func c20ClearsTheBit() throws {
        var guest = try Guest(.pc)
        try guest.addMSR("cpu/async_pv_eoi_msr", guest.address(0) + 0x204 | 1, cpu: 0)
        guest.put([1, 0, 0, 0], at: guest.address(0) + 0x204)
        let result = try converter.convert(guest.context(), expecting: "clear-pv-eoi", for: "C20")
        #expect(guest.bytes(result, guest.address(0) + 0x204, 4) == [0, 0, 0, 0])
        guest.put([0, 0, 0, 0], at: guest.address(0) + 0x204)
        #expect(try converter.check(guest.context(), policy: .standard).severity(of: "C20") == .ok)
    }

    @Test func areasOutsideOfMemoryAreNoTrap() throws {
        var guest = try Guest(.pc)
        for address: UInt64 in [0xffff_ffff_ffff_ffc1, 0x7fff_0000_0001, 0xffc1] {
            for name in ["cpu/steal_time_msr", "cpu/async_pf_msr", "cpu/async_pv_eoi_msr"] {
                try guest.addMSR(name, address, cpu: 0)
            }
            var cpu = try #require(try guest.stream.cpus().first)
            cpu.systemTimeMSR = address
            try guest.stream.replace(cpu)
            _ = try converter.check(guest.context(), policy: .standard)
            for name in ["cpu/steal_time_msr", "cpu/async_pf_msr", "cpu/async_pv_eoi_msr"] {
                try guest.stream.removeSubsection(name, of: "cpu")
            }
        }
    }
}
