import GuestInspection
import Testing

/// The scanner on memory that is laid out as kernels do.
@Suite struct KernelLogScannerTests {
    private let text = "kvm-guest: setup PV IPIs"

    /// Memory of some pages with bytes at addresses.
    private func memory(pages: UInt64 = 8, _ parts: [(UInt64, [UInt8])]) -> ClosureMemory {
        var bytes = [UInt8](repeating: 0, count: Int(pages) * 4096)
        for (address, part) in parts { bytes.replaceSubrange(Int(address)..<Int(address) + part.count, with: part) }
        return ClosureMemory(pages: [0..<pages]) { [bytes] page, buffer in
            let slice = bytes[Int(page) * 4096..<Int(page + 1) * 4096]
            guard slice.contains(where: { $0 != 0 }) else { return false }
            buffer.copyBytes(from: slice)
            return true
        }
    }

    private func little(_ value: UInt64, _ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }

    /// A block of the log of Linux 5.10 and later, and the id of the one after it.
    private func block(_ text: String, id: UInt64, next: UInt64) -> [UInt8] {
        let padding = (8 - text.utf8.count % 8) % 8
        return little(id, 8) + Array(text.utf8) + [UInt8](repeating: 0, count: padding) + little(next, 8)
    }

    @Test func findsRecordsAtEveryPlace() throws {
        // From the first byte to the last, over all page boundaries; the ids' low byte may look like a newline.
        for address in stride(from: UInt64(0), through: 3 * 4096 - 48, by: 8)
        where address % 4096 > 3900 || address % 4096 < 64 {
            let memory = memory(
                pages: 3, [(address, block(text, id: 0x3fff_ffff_ffff_f009, next: 0x3fff_ffff_ffff_f00a))])
            let found = try KernelLogScanner().scan(memory)
            #expect(found.map(\.kind) == [.record], "\(address)")
            #expect(found.first?.address == address + 8)
        }
    }

    /// The bytes that Linux 6.1 leaves: prefix and newline were taken away in place.
    @Test func findsRecordsThatWereEditedInPlace() throws {
        let rest = Array("Is\n\0\0\0\0\0".utf8)
        let record = little(0xffff_f068, 8) + Array(text.utf8) + rest + little(0xffff_f069, 8)
        for address in [UInt64(0x1000), 0x1fd0, 0x1fd8, 0x1fe0, 0x1ff8] {
            #expect(try KernelLogScanner().scan(memory([(address, record)])).map(\.kind) == [.record], "\(address)")
            // The last record of the log: nothing behind it.
            let last = Array(record.dropLast(8))
            #expect(try KernelLogScanner().scan(memory([(address, last)])).map(\.kind) == [.record], "\(address)")
        }
    }

    @Test func findsRecordsOfOldKernels() throws {
        for caller in [[], little(0x8000_0000, 4)] {
            let old = "KVM setup pv IPIs"
            let length = UInt64(16 + caller.count + old.utf8.count + 3)
            let header =
                little(123_456_789, 8) + little(length, 2) + little(UInt64(old.utf8.count), 2) + little(0, 2) + [
                    0, 0xc6,
                ]
            let memory = memory([(5004, header + caller + Array(old.utf8))])
            let found = try KernelLogScanner().scan(memory)
            #expect(found.map(\.kind) == [.record])
            #expect(found.first?.message == .hypercallIPIs)
        }
    }

    @Test func formatStringsProveNothing() throws {
        for address in [UInt64(0x1000), 0x1007, 0x1fe8, 0x1ff0, 0x1ffe] {
            let memory = memory([(address, Array("\u{1}6\(text)\n\0".utf8))])
            #expect(try KernelLogScanner().scan(memory).map(\.kind) == [.formatString], "\(address)")
        }
    }

    @Test func otherTextIsACopy() throws {
        let line = "[    0.123456] \(text)\n[    0.123457] next\n"
        for address in [UInt64(0x1001), 0x1fe1, 0x1ff0, 0x1000] {
            let found = try KernelLogScanner().scan(memory([(address, Array(line.utf8))]))
            #expect(found.map(\.kind) == [.copy], "\(address)")
        }
    }

    @Test func tellsMessagesApart() throws {
        let memory = memory([
            (0x1000, block("kvm-guest: setup PV sched yield", id: 5, next: 6)),
            (0x2000, block("kvm-guest: PV spinlocks enabled", id: 6, next: 7)),
            (0x3000, block("kvm-guest: setup PV IPI", id: 7, next: 8)), (0x4000, block(text, id: 8, next: 9)),
        ])
        let found = try KernelLogScanner().scan(memory)
        #expect(found.map(\.message) == [.hypercallYield, .hypercallSpinlocks, .hypercallIPIs])
        #expect(found.map(\.address) == [0x1008, 0x2008, 0x4008])
    }

    @Test func doesNotJoinPagesThatAreApart() throws {
        // The halves of a text at the end of one range and the beginning of another.
        let bytes = Array(text.utf8)
        let memory = ClosureMemory(pages: [0..<1, 5..<6]) { page, buffer in
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            if page == 0 {
                UnsafeMutableRawBufferPointer(rebasing: buffer[4086...]).copyBytes(from: bytes[..<10])
            } else {
                buffer.copyBytes(from: bytes[10...])
            }
            return true
        }
        #expect(try KernelLogScanner().scan(memory) == [])
        // The same with a page of zeros between them.
        let gap = self.memory([(4086, Array(bytes[..<10])), (8192, Array(bytes[10...]))])
        #expect(try KernelLogScanner().scan(gap) == [])
    }

    @Test func listsABoundedNumber() throws {
        let line = Array("\(text)\n".utf8)
        let memory = memory(pages: 64, (0..<2000).map { (UInt64($0 * 100), line) })
        var scanner = KernelLogScanner()
        scanner.limit = 10
        #expect(try scanner.scan(memory).count == 10)
    }

    @Test func errorsOfTheMemoryPassThrough() {
        struct Lost: Error {}
        let memory = ClosureMemory(pages: [0..<1]) { _, _ in throw Lost() }
        #expect(throws: Lost.self) { try KernelLogScanner().scan(memory) }
    }
}
