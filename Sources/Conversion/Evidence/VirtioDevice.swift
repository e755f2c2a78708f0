import VMState

/// A virtio-pci device as its section has it: one piece of bytes, since QEMU does not describe it.
///
/// Source: QEMU, `hw/virtio/virtio.c` (`virtio_save`), `hw/virtio/virtio-pci.c` (`virtio_pci_save_config`,
/// `virtio_pci_save_queue`), `hw/pci/pci.c`, `hw/pci/msix.c`. The layout is that of conventional PCI functions on the root bus.
struct VirtioDevice: Sendable {
    /// A queue of the device.
    struct Queue: Sendable, Hashable {
        /// Entries; a power of two.
        let size: UInt32
        /// Guest-physical address of the descriptors; zero if the driver has not set it up.
        let descriptors: UInt64
        /// Guest-physical address of the used ring.
        var used: UInt64
        /// Number of the next request that the device will take.
        let next: UInt16
    }

    let status: UInt8
    /// The device's own configuration, little-endian.
    let configuration: [UInt8]
    let queues: [Queue]
    /// Bytes behind the queues: requests that the device has taken and keeps, and subsections.
    let rest: ArraySlice<UInt8>

    /// Reads a section; nil if its bytes are not as expected.
    init?(_ section: DeviceSection) {
        var reader = ByteReader(section.payload)
        // pci_device_save: version, configuration space, state of the interrupt pins.
        guard let version: UInt32 = reader.next(), (1...3).contains(version), let space = reader.take(256),
            reader.take(16) != nil
        else { return nil }
        if let vectors = Self.messageVectors(Array(space)) {
            // Table, pending bits, and the vector of configuration changes.
            guard reader.take(vectors * 16 + (vectors + 7) / 8 + 2) != nil else { return nil }
        }
        guard let status: UInt8 = reader.next(), let _: UInt8 = reader.next(), let _: UInt16 = reader.next(),
            let _: UInt32 = reader.next(), let length: UInt32 = reader.next(), length <= 4096,
            let configuration = reader.take(Int(length)), let count: UInt32 = reader.next(), count <= 1024
        else { return nil }
        let hasVectors = Self.messageVectors(Array(space)) != nil
        var queues: [Queue] = []
        for _ in 0..<count {
            // virtio-pci has no variable alignment.
            guard let size: UInt32 = reader.next(), size <= 32768, let address: UInt64 = reader.next(),
                let next: UInt16 = reader.next()
            else { return nil }
            if hasVectors { guard let _: UInt16 = reader.next() else { return nil } }
            // The legacy layout: the used ring begins at the page behind the available ring (virtio 1.1, 2.6.2).
            let end = address &+ 16 &* UInt64(size) &+ 6 &+ 2 &* UInt64(size)
            queues.append(Queue(size: size, descriptors: address, used: (end &+ 4095) & ~4095, next: next))
        }
        self.status = status
        self.configuration = Array(configuration)
        rest = reader.rest
        // Devices of virtio 1.0 keep the places of their rings in a subsection: available and used ring of each queue.
        if let places = Self.contents(ofSubsection: "virtio/virtqueues", in: rest), places.count >= 16 * queues.count {
            for index in queues.indices {
                let start = places.startIndex + 16 * index + 8
                queues[index].used = places[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }
            }
        }
        self.queues = queues
    }

    /// The bytes from the fields of a subsection on.
    private static func contents(ofSubsection name: String, in bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let header = [5, UInt8(name.utf8.count)] + Array(name.utf8)
        guard let start = bytes.firstRange(of: header) else { return nil }
        return bytes[start.upperBound...].dropFirst(4)
    }

    /// Number of MSI-X vectors in a configuration space; nil without the capability (PCI 3.0, 6.8.2).
    private static func messageVectors(_ space: [UInt8]) -> Int? {
        guard space[6] & 0x10 != 0 else { return nil }
        var place = Int(space[0x34] & 0xfc)
        for _ in 0..<48 where place >= 0x40 && place + 4 <= space.count {
            if space[place] == 0x11 { return Int(UInt16(space[place + 3] & 0x07) << 8 | UInt16(space[place + 2])) + 1 }
            place = Int(space[place + 1] & 0xfc)
        }
        return nil
    }

    /// The driver has finished setting the device up (VIRTIO_CONFIG_S_DRIVER_OK).
    var isInUse: Bool { status & 4 != 0 }
}

/// Reads big-endian integers from bytes.
private struct ByteReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var rest: ArraySlice<UInt8> { bytes[position...] }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func next<Value: FixedWidthInteger & UnsignedInteger>() -> Value? {
        take(MemoryLayout<Value>.size)?.reduce(0) { $0 << 8 | Value($1) }
    }
}
