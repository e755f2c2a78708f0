import Testing
import VMState

/// The memory map against QEMU's own view, and for sizes that no test machine has.
@Suite struct GuestPhysicalMapTests {
    @Test(arguments: [FixtureCase.pc, .pcTwoCPUs, .q35FourCPUs, .q35AtReset, .pcSavevm])
    func showsTheFirstMebibyteAsQEMUDoes(_ kind: FixtureCase) throws {
        let fixture = try kind.fixture()
        let (stream, pages) = try fixture.parsed()
        let map = try GuestPhysicalMap(stream)
        var compared = 0
        for page in UInt64(0)..<0x100 {
            guard let place = map.locate(page << 12) else {
                #expect((0xa0..<0xc0).contains(page), "page \(page) is in no block")
                continue
            }
            let expected = fixture.lowMemory[Int(page) << 12..<Int(page + 1) << 12]
            let actual = pages.nonZero[place.block]?[place.offset >> 12] ?? [UInt8](repeating: 0, count: 4096)
            #expect(expected.elementsEqual(actual), "page \(page) in \(place)")
            compared += 1
        }
        #expect(compared == 0xe0)
    }

    @Test func mapsTheFirmwareAndTheFrameBuffer() throws {
        let (stream, _) = try FixtureCase.q35FourCPUs.fixture().parsed()
        let map = try GuestPhysicalMap(stream)
        let reset = try #require(map.locate(0xffff_fff0))
        let bios = try #require(stream.ram.blocks.first { $0.idstr == "pc.bios" })
        #expect(reset == GuestPhysicalMap.Place(block: "pc.bios", offset: bios.usedLength - 16, isWritable: false))
        #expect(map.regions.contains { $0.block.hasSuffix("vga.vram") && $0.isWritable })
        #expect(map.locate(0xfee0_0000) == nil)
        #expect(map.locate(32 << 20) == nil)
        #expect(map.locate((32 << 20) - 1)?.offset == (32 << 20) - 1)
        #expect(map.addresses(of: "pc.ram", offset: 0x20_0000) == [0x20_0000])
        #expect(map.addresses(of: "pc.ram", offset: 0xa_0000) == [])
        for (left, right) in zip(map.regions, map.regions.dropFirst()) { #expect(left.end <= right.base) }
    }

    @Test func placesTheUpperPartOfLargeMemories() throws {
        let cases: [(FixtureCase, UInt64, UInt64)] = [
            (.pc, 0xc000_0000, 0xc000_0000), (.pc, 0xdfff_f000, 0xdfff_f000), (.pc, 0xe000_0000, 0xc000_0000),
            (.pc, 8 << 30, 0xc000_0000), (.q35AtReset, 0xaff0_0000, 0xaff0_0000),
            (.q35AtReset, 0xb000_0000, 0x8000_0000),
            (.q35AtReset, 16 << 30, 0x8000_0000),
        ]
        for (kind, size, low) in cases {
            var (stream, _) = try kind.fixture().parsed()
            stream.ram.blocks[0].usedLength = size
            let map = try GuestPhysicalMap(stream)
            #expect(map.locate(low - 1)?.offset == low - 1)
            #expect(map.locate(low)?.block != "pc.ram")
            #expect(map.locate(1 << 32)?.offset == (size > low ? low : nil))
            if size > low {
                #expect(map.addresses(of: "pc.ram", offset: size - 1) == [(1 << 32) + size - low - 1])
                #expect(map.locate((1 << 32) + size - low) == nil)
            }
        }
    }

    @Test func agreesWithQEMUAboutLargeMachines() throws {
        // Memory that is never touched costs nothing: ask the real thing for its map.
        for (machine, size) in [
            ("pc-i440fx-7.2", 3584), ("pc-i440fx-7.2", 3583), ("pc-q35-7.2", 2816), ("pc-q35-7.2", 2815),
        ] {
            let qemu = try QEMU(["-M", machine, "-m", "\(size)", "-S"])
            let tree = try qemu.monitor("info mtree -f")
            qemu.quit()
            let type = try #require(MachineType(name: machine))
            let bytes = UInt64(size) << 20
            let low = type.memoryBelow4GiB(ramSize: bytes)
            let text = String(low - 1, radix: 16)
            #expect(
                tree.contains("-\(String(repeating: "0", count: 16 - text.count))\(text) (prio 0, ram): pc.ram"),
                "\(machine) \(size)")
            #expect(tree.contains("0000000100000000-") == (low < bytes))
        }
    }

    @Test func refusesWhatItDoesNotKnow() throws {
        var (stream, _) = try FixtureCase.pc.fixture().parsed()
        stream.configuration?.machine = "microvm"
        #expect(throws: VMStateError.self) { try GuestPhysicalMap(stream) }
        stream.configuration?.machine = "pc-i440fx-7.2"
        try stream.remove("0000:00:00.0/I440FX")
        #expect(throws: VMStateError.self) { try GuestPhysicalMap(stream) }
        #expect(MachineType(name: "pc-q35-4.0.1")?.minor == 0)
        #expect(MachineType(name: "pc-q35") == nil)
        #expect(MachineType(name: "pc-i440fx-7") == nil)
        #expect(MachineType(name: "pc-i440fx-7.x") == nil)
        #expect(MachineType(name: "pc-i440fx-1.7")?.memoryBelow4GiB(ramSize: 8 << 30) == 0xe000_0000)
    }
}
