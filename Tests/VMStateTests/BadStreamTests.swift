import Testing
import VMState

/// Truncated, damaged and hostile streams.
@Suite struct BadStreamTests {
    /// A real stream with little RAM and few devices, small enough to be read thousands of times.
    private func small() throws -> (bytes: [UInt8], stream: MigrationStream) {
        var (stream, _) = try FixtureCase.pc.fixture().parsed()
        let kept = ["timer", "cpu_common", "cpu", "apic", "fw_cfg", "globalstate"]
        for device in stream.devices where !kept.contains(device.idstr) {
            try stream.remove(device.idstr, device.instanceID)
        }
        stream.ram.blocks = [
            RAMBlock(idstr: "pc.ram", usedLength: 0x4000), RAMBlock(idstr: "pc.bios", usedLength: 0x1000),
        ]
        var pages = RAMPageTable()
        pages.set("pc.ram", page: 1, to: [UInt8](repeating: 7, count: 4096))
        var output = ArrayByteOutput()
        try MigrationStreamWriter().write(stream, pages: &pages, to: &output)
        return (output.bytes, stream)
    }

    private func read(_ bytes: [UInt8], log: Bool = false) throws(VMStateError) -> MigrationStream {
        var sink = RAMPageTable()
        var reader = MigrationStreamReader(ArrayByteSource(bytes))
        reader.keepsRecordLog = log
        return try reader.read(pages: &sink)
    }

    @Test func everyTruncationIsAnError() throws {
        let (bytes, stream) = try small()
        #expect(try read(bytes) == stream)
        let text = try #require(stream.description?.text)
        // The one cut that leaves a valid stream is the one between the end mark and the description.
        let exception = bytes.count - text.count - 5
        var lengths = Set(stride(from: 0, to: bytes.count, by: 61))
        lengths.formUnion(0..<200)
        lengths.formUnion(bytes.count - 200..<bytes.count)
        lengths.formUnion(exception - 400..<exception + 400)
        for length in lengths.sorted() where length != exception {
            #expect(throws: VMStateError.self, "\(length) bytes") { try read(Array(bytes[..<length])) }
        }
        #expect(try read(Array(bytes[..<exception])).devices.map(\.payload) == stream.devices.map(\.payload))
    }

    @Test func mutationsNeverTrap() throws {
        let (bytes, stream) = try small()
        let text = try #require(stream.description?.text)
        var generator = SplitMix64(state: 20_240_501)
        var refused = 0
        for round in 0..<2000 {
            var copy = bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                // Half of the changes hit headers and the description instead of contents.
                let range = Bool.random(using: &generator) ? copy.indices : copy.count - text.count - 3000..<copy.count
                let place = Int.random(in: range, using: &generator)
                switch Int.random(in: 0..<6, using: &generator) {
                case 0: copy[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: copy[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 2: copy[place] = [0, 0xff, 0x7f, 0x80].randomElement(using: &generator) ?? 0
                case 3: copy.remove(at: place)
                case 4: copy.insert(UInt8.random(in: 0...255, using: &generator), at: place)
                default: copy.removeSubrange(place..<min(copy.count, place + 8))
                }
            }
            do {
                let result = try read(copy, log: round % 2 == 0)
                // What can be read can be written and read again.
                _ = try MigrationStream(skeleton: result.skeleton())
                for device in result.devices { _ = device.fields() }
                _ = try? result.cpus()
                _ = try? GuestPhysicalMap(result)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 500)
    }

    @Test func hugeLengthsAllocateNothing() throws {
        let (bytes, stream) = try small()
        // Machine name, RAM block list, description.
        var copy = bytes
        copy.replaceSubrange(9..<13, with: [0xff, 0xff, 0xff, 0xff])
        #expect(throws: VMStateError.self) { try read(copy) }
        copy = bytes
        let text = try #require(stream.description?.text)
        let length = copy.count - text.count - 4
        copy.replaceSubrange(length..<length + 4, with: [0xff, 0xff, 0xff, 0xff])
        #expect(throws: VMStateError.self) { try read(copy) }
        var big = stream
        big.ram.blocks[0].usedLength = 1 << 60
        #expect(try MigrationStream(skeleton: big.skeleton()).ram.blocks[0].usedLength == 1 << 60)
    }

    @Test func messagesNameThePlace() throws {
        let (bytes, _) = try small()
        let noStream = #expect(throws: VMStateError.self) { try read(Array("no stream at all".utf8)) }
        #expect(noStream?.description.contains("QEVM") == true)
        let empty = #expect(throws: VMStateError.self) { try read([]) }
        #expect(empty?.code == .truncated)
        var old = bytes
        old[7] = 2
        #expect(#expect(throws: VMStateError.self) { try read(old) }?.code == .unsupported)

        // The footer of the timer's section, which follows its 24 bytes.
        let name = Array("timer".utf8)
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
        var damaged = bytes
        damaged[start + 5 + 8 + 24] = 0
        let error = #expect(throws: VMStateError.self) { try read(damaged) }
        #expect(error?.section == "timer#0")
        #expect(error?.code == .inconsistent)
        #expect(error?.offset == UInt64(start + 5 + 8 + 24))
    }

    @Test(arguments: [
        (UInt64(0x100), "compress"), (0x80, "RDMA"), (0x01, "flags"), (0x0a, "flags"), (0x04, "flags"),
    ])
    func refusesForeignRAMRecords(_ flags: UInt64, _ word: String) throws {
        let (bytes, _) = try small()
        // The first record of the PART section begins 5 bytes behind its type.
        let part = try #require(bytes.indices.first { bytes[$0...].starts(with: [0x02, 0, 0, 0, 2, 0, 0, 0, 0]) })
        var copy = bytes
        copy[part + 5 + 6] = UInt8(flags >> 8)
        copy[part + 5 + 7] = UInt8(flags & 0xff)
        let error = #expect(throws: VMStateError.self) { try read(copy) }
        #expect(error?.description.contains(word) == true, "\(String(describing: error))")
    }

    @Test(
        arguments: [
            ([0x02, 0x01, 0xaa, 0x05, 0x02, 0xbb, 0xcc], true), ([0x80, 0x20], true), ([], true),
            ([0x02, 0x00], false), ([0x02, 0x02, 0xaa], false), ([0x81, 0x20], false), ([0x80, 0x80, 0x01], false),
            ([0xff, 0x1f, 0x02, 0xaa, 0xbb], false), ([0x80], false), ([0x02, 0x81], false),
        ] as [([UInt8], Bool)])
    func readsDifferences(_ delta: [UInt8], _ isGood: Bool) throws {
        let (bytes, _) = try small()
        // Behind the page of 7s: the same page again as a difference (XBZRLE, same block).
        let page = try #require(bytes.indices.first { bytes[$0...].starts(with: [UInt8](repeating: 7, count: 4096)) })
        let record: [UInt8] = [0, 0, 0, 0, 0, 0, 0x10, 0x60, 1, 0, UInt8(delta.count)] + delta
        var copy = bytes
        copy.insert(contentsOf: record, at: page + 4096)
        var sink = RAMPageTable()
        let reader = MigrationStreamReader(ArrayByteSource(copy))
        guard isGood else {
            #expect(throws: VMStateError.self) { try reader.read(pages: &sink) }
            return
        }
        _ = try reader.read(pages: &sink)
        var expected = [UInt8](repeating: 7, count: 4096)
        if delta.count == 7 {
            expected[2] = 0xaa
            expected.replaceSubrange(8..<10, with: [0xbb, 0xcc])
        }
        #expect(sink.pages["pc.ram"]?[1] == expected)
        // A sink that cannot give pages back says so.
        var discarding = DiscardingPageSink()
        let error = #expect(throws: VMStateError.self) { try reader.read(pages: &discarding) }
        #expect(error?.description.contains("xbzrle") == true)
    }

    @Test func errorsOfTheSinkPassThrough() throws {
        struct Full: Error {}
        struct Sink: RAMPageSink {
            mutating func data(block: Int, page: UInt64, bytes: RawSpan) throws { throw Full() }
            mutating func zero(block: Int, page: UInt64) {}
        }
        let (bytes, stream) = try small()
        var sink = Sink()
        let error = #expect(throws: VMStateError.self) {
            try MigrationStreamReader(ArrayByteSource(bytes)).read(pages: &sink)
        }
        #expect(error?.code == .pages)
        #expect(error?.underlying is Full)

        struct Provider: RAMPageProvider {
            mutating func page(
                block: RAMBlock, page: UInt64, into buffer: UnsafeMutableRawBufferPointer
            ) throws -> RAMPageContent { throw Full() }
        }
        var provider = Provider()
        var output = ArrayByteOutput()
        let failure = #expect(throws: VMStateError.self) {
            try MigrationStreamWriter().write(stream, pages: &provider, to: &output)
        }
        #expect(failure?.underlying is Full)
    }
}

/// A small generator with a fixed seed, so that failures can be repeated.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
