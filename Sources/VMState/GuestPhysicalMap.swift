/// Which part of which RAM block answers at which guest-physical address.
///
/// Devices are not in the map: an address that `locate` does not know is a device's or nobody's.
package struct GuestPhysicalMap: Sendable, Hashable {
    /// A run of addresses that one block answers.
    package struct Region: Sendable, Hashable {
        /// First guest-physical address.
        package var base: UInt64
        /// Bytes, a multiple of 4096.
        package var length: UInt64
        /// Name of the RAM block.
        package var block: String
        /// Offset in the block of the first byte.
        package var blockOffset: UInt64
        /// Writes change the block; otherwise they are ignored.
        package var isWritable: Bool

        /// First address behind the region.
        package var end: UInt64 { base + length }
    }

    /// A place in a RAM block.
    package struct Place: Sendable, Hashable {
        /// Name of the block.
        package var block: String
        /// Byte offset in it.
        package var offset: UInt64
        /// Writes change the block.
        package var isWritable: Bool

        /// Makes a place.
        package init(block: String, offset: UInt64, isWritable: Bool) {
            self.block = block
            self.offset = offset
            self.isWritable = isWritable
        }
    }

    /// All regions, upwards, without overlaps.
    package private(set) var regions: [Region]
    /// Address of the part of `pc.ram` above 4 GiB.
    package static let highBase: UInt64 = 1 << 32

    /// The map of the machine in a stream, in the state in which the snapshot was taken.
    package init(_ stream: MigrationStream) throws(VMStateError) {
        guard let name = stream.machineName else {
            throw VMStateError(.unsupported, "the stream names no machine type, its memory map cannot be known")
        }
        guard let machine = MachineType(name: name) else {
            throw VMStateError(
                .unsupported,
                "the memory map of machine type \(name) is not known; pc-i440fx-* and pc-q35-* are supported")
        }
        guard let ram = stream.mainRAM else {
            throw VMStateError(.notFound, "the stream has no RAM block pc.ram", section: "ram")
        }
        guard ram.usedLength >= 1 << 20, ram.usedLength <= 1000 << 30 else {
            throw VMStateError(
                .unsupported, "\(ram.usedLength) bytes of main memory; 1 MiB to 1000 GiB are supported", section: "ram")
        }
        let low = machine.memoryBelow4GiB(ramSize: ram.usedLength)
        regions = [
            Region(base: 0, length: 0xa_0000, block: ram.idstr, blockOffset: 0, isWritable: true),
            Region(
                base: 0x10_0000, length: low - 0x10_0000, block: ram.idstr, blockOffset: 0x10_0000, isWritable: true),
        ]
        if ram.usedLength > low {
            regions.append(
                Region(
                    base: Self.highBase, length: ram.usedLength - low, block: ram.idstr, blockOffset: low,
                    isWritable: true))
        }
        let bios = stream.ram.blocks.first { $0.idstr == "pc.bios" }
        if let bios, bios.usedLength <= 16 << 20 {
            regions.append(
                Region(
                    base: Self.highBase - bios.usedLength, length: bios.usedLength, block: bios.idstr, blockOffset: 0,
                    isWritable: false))
        }
        let pam = try ProgrammableAttributes(stream, machine.family)
        let rom = stream.ram.blocks.first { $0.idstr == "pc.rom" }
        for segment in pam.segments { add(segment, ram: ram, bios: bios, rom: rom) }
        addVideoMemory(stream)
        regions.removeAll { $0.length == 0 }
        regions.sort { $0.base < $1.base }
    }

    /// Who answers at an address; nil for devices and holes.
    package func locate(_ address: UInt64) -> Place? {
        guard let region = region(at: address) else { return nil }
        return Place(
            block: region.block, offset: region.blockOffset + (address - region.base), isWritable: region.isWritable)
    }

    /// The region of an address.
    package func region(at address: UInt64) -> Region? {
        // Binary search for the last region that begins at or below the address.
        var low = 0
        var high = regions.count
        while low < high {
            let middle = (low + high) / 2
            if regions[middle].base <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0, address < regions[low - 1].end else { return nil }
        return regions[low - 1]
    }

    /// All addresses at which a byte of a block is visible.
    package func addresses(of block: String, offset: UInt64) -> [UInt64] {
        regions.compactMap { region in
            guard region.block == block, offset >= region.blockOffset, offset - region.blockOffset < region.length
            else { return nil }
            return region.base + (offset - region.blockOffset)
        }
    }

    /// A segment below 1 MiB: RAM, or the ROM behind it.
    private mutating func add(_ segment: ProgrammableAttributes.Segment, ram: RAMBlock, bios: RAMBlock?, rom: RAMBlock?)
    {
        if segment.readsRAM {
            regions.append(
                Region(
                    base: segment.base, length: segment.length, block: ram.idstr, blockOffset: segment.base,
                    isWritable: segment.writesRAM))
        } else if segment.base < 0xe_0000 {
            guard let rom, rom.usedLength >= segment.base - 0xc_0000 + segment.length else { return }
            regions.append(
                Region(
                    base: segment.base, length: segment.length, block: rom.idstr, blockOffset: segment.base - 0xc_0000,
                    isWritable: false))
        } else if let bios {
            // The last 128 KiB of the BIOS end at 1 MiB.
            let distance = 0x10_0000 - segment.base
            guard bios.usedLength >= distance else { return }
            regions.append(
                Region(
                    base: segment.base, length: segment.length, block: bios.idstr,
                    blockOffset: bios.usedLength - distance, isWritable: false))
        }
    }

    /// The frame buffer of a standard VGA at its BAR 0.
    private mutating func addVideoMemory(_ stream: MigrationStream) {
        for device in stream.devices(ofModel: "vga") {
            guard let block = stream.ram.blocks.first(where: { $0.idstr == "\(device.idstr).vram" }),
                let config = try? device.bytes("dev.config[0]"), config.count >= 0x14, config[4] & 2 != 0
            else { continue }
            let register = config[0x10..<0x14].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let base = register & ~0xf
            let end = base + block.usedLength
            guard base >= 0x10_0000, !regions.contains(where: { $0.base < end && base < $0.end }) else { continue }
            regions.append(
                Region(base: base, length: block.usedLength, block: block.idstr, blockOffset: 0, isWritable: true))
        }
    }
}
