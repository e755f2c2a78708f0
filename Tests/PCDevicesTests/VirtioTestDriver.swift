import PCDevices

/// A driver that does what Linux' virtio-pci and virtio-blk do, over the PCI bus and a memory of its own.
struct VirtioTestDriver {
    var bus: PCIBus
    var memory = PCITestMemory()
    /// First port of the legacy interface, first address of the modern one.
    let ports: UInt16 = 0xC000
    var modern: UInt64 = 0xFEBF_8000
    let device: UInt8 = 4 << 3
    /// Places of the ring that the driver sets up.
    let descriptors: UInt64 = 0x10_0000
    var available: UInt64 = 0x10_1000
    var used: UInt64 = 0x10_2000
    var size: UInt16 = 256
    private var next: UInt16 = 0

    init(_ bus: PCIBus) { self.bus = bus }

    // MARK: Accesses

    mutating func configuration(_ offset: Int, _ count: Int = 4) -> UInt64 {
        select(offset)
        return bus.readPort(0xCFC + UInt16(offset & 3), byteCount: count, now: 0)
    }

    mutating func configure(_ offset: Int, _ count: Int = 4, _ value: UInt64) {
        select(offset)
        bus.writePort(0xCFC + UInt16(offset & 3), byteCount: count, value: value, now: 0, memory: &memory)
    }

    private mutating func select(_ offset: Int) {
        let address = 0x8000_0000 | UInt64(device) << 8 | UInt64(offset & 0xFC)
        bus.writePort(0xCF8, byteCount: 4, value: address, now: 0, memory: &memory)
    }

    mutating func input(_ offset: UInt16, _ count: Int) -> UInt64 {
        bus.readPort(ports + offset, byteCount: count, now: 0)
    }

    mutating func output(_ offset: UInt16, _ count: Int, _ value: UInt64) {
        bus.writePort(ports + offset, byteCount: count, value: value, now: 0, memory: &memory)
    }

    mutating func load(_ offset: UInt64, _ count: Int) -> UInt64 {
        bus.readMemory(modern + offset, byteCount: count, now: 0)
    }

    mutating func store(_ offset: UInt64, _ count: Int, _ value: UInt64) {
        bus.writeMemory(modern + offset, byteCount: count, value: value, now: 0, memory: &memory)
    }

    // MARK: Starting the device

    /// Reset, acknowledge, features, queue 0, driver OK in the legacy interface (virtio 1.1, 3.1.2).
    mutating func startLegacy(features: UInt64 = 0x3000_0000) {
        configure(4, 2, 0x7)
        output(18, 1, 0)
        output(18, 1, 1)
        output(18, 1, 3)
        output(4, 4, input(0, 4) & features)
        output(14, 2, 0)
        size = UInt16(input(12, 2))
        available = descriptors + 16 * UInt64(size)
        used = (available + 4 + 2 * UInt64(size) + 4095) & ~4095
        output(8, 4, descriptors >> 12)
        output(18, 1, 7)
    }

    /// The same in the modern interface (3.1.1), with the features that the device offers and the driver knows.
    mutating func startModern(features: UInt64 = 0x1_3000_7E54) {
        configure(4, 2, 0x406)
        store(0x14, 1, 0)
        store(0x14, 1, 1)
        store(0x14, 1, 3)
        var offered: UInt64 = 0
        for half in 0..<2 as Range<UInt64> {
            store(0, 4, half)
            offered |= load(4, 4) << (32 * half)
        }
        for half in 0..<2 as Range<UInt64> {
            store(8, 4, half)
            store(12, 4, (offered & features) >> (32 * half) & 0xFFFF_FFFF)
        }
        store(0x14, 1, 11)
        store(0x16, 2, 0)
        store(0x18, 2, UInt64(size))
        for (offset, address) in [(0x20, descriptors), (0x28, available), (0x30, used)] as [(UInt64, UInt64)] {
            store(offset, 4, address & 0xFFFF_FFFF)
            store(offset + 4, 4, address >> 32)
        }
        store(0x1C, 2, 1)
        store(0x14, 1, 15)
    }

    // MARK: Requests

    struct Buffer {
        var address: UInt64
        var count: UInt32
        var isWritable: Bool
    }

    /// Writes descriptors from `first` on and makes the chain available.
    mutating func submit(_ buffers: [Buffer], first: UInt16 = 0) {
        for (index, buffer) in buffers.enumerated() {
            let isLast = index == buffers.count - 1
            describe(
                descriptors + 16 * (UInt64(first) + UInt64(index)), buffer.address, buffer.count,
                flags: (isLast ? 0 : 1) | (buffer.isWritable ? 2 : 0), next: isLast ? 0 : first + UInt16(index) + 1)
        }
        offer(first)
    }

    mutating func describe(_ place: UInt64, _ address: UInt64, _ count: UInt32, flags: UInt16, next: UInt16) {
        _ = memory.store(address, at: place)
        _ = memory.store(count, at: place + 8)
        _ = memory.store(flags, at: place + 12)
        _ = memory.store(next, at: place + 14)
    }

    mutating func offer(_ head: UInt16) {
        _ = memory.store(head, at: available + 4 + 2 * UInt64(next % size))
        next &+= 1
        _ = memory.store(next, at: available + 2)
    }

    /// A block request with its header at `0x20_0000`, data at `0x21_0000` and status at `0x20_0100`.
    mutating func block(_ kind: UInt32, sector: UInt64, count: UInt32, isRead: Bool, at data: UInt64 = 0x21_0000) {
        header(kind, sector)
        var list = [Buffer(address: 0x20_0000, count: 16, isWritable: false)]
        if count > 0 { list.append(Buffer(address: data, count: count, isWritable: isRead)) }
        list.append(Buffer(address: 0x20_0100, count: 1, isWritable: true))
        submit(list)
    }

    mutating func header(_ kind: UInt32, _ sector: UInt64) {
        _ = memory.store(kind, at: 0x20_0000)
        _ = memory.store(UInt32(0), at: 0x20_0004)
        _ = memory.store(sector, at: 0x20_0008)
        _ = memory.store(UInt8(0xEE), at: 0x20_0100)
    }

    var status: UInt8 { memory.bytes(1, at: 0x20_0100)[0] }

    /// Index of the used ring.
    mutating func usedIndex() -> UInt16 { memory.load(used + 2) ?? 0xFFFF }

    /// Head and length of an entry of the used ring.
    mutating func usedEntry(_ index: Int) -> [UInt32] {
        [memory.load(used + 4 + 8 * UInt64(index)) ?? 0, memory.load(used + 8 + 8 * UInt64(index)) ?? 0]
    }
}
