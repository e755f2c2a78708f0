/// Where the parts of QEMU's section of a virtio device lie.
///
/// The section's description calls all of it one opaque field. QEMU (4 to 10) writes, big-endian: the PCI function (version, 256 or 4096
/// bytes of configuration space, four interrupt levels), the MSI-X table and pending bits with the configuration vector when
/// there is MSI-X, device status, interrupt status, queue selector, the low features, the device's configuration with its length, the queues
/// with their number, a part of the device's own, and subsections (`virtio/virtqueues` and others).
struct VirtioSectionLayout: Sendable, Hashable {
    /// A part with a name of its own, 0x05 in front.
    struct Subsection: Sendable, Hashable {
        var name: String
        var version: UInt32
        var body: [UInt8]
    }

    /// Path of the opaque field in the section.
    var field: String
    /// The configuration space.
    var configurationSpace: Range<Int>
    /// Four levels of four bytes.
    var interruptLevels: Int
    /// Table and pending bits of MSI-X; the configuration vector follows.
    var msix: Range<Int>?
    /// Device status, interrupt status, queue selector (2 bytes), low features (4), length of the configuration (4).
    var common: Int
    var configuration: Range<Int>
    /// Start of each queue: size (4), descriptors (8), next available entry (2), with MSI-X its vector (2).
    var queues: [Int]
    /// Everything up to the requests in flight.
    var head: [UInt8]
    /// The device's own part, with the requests in flight of a block device.
    var own: [UInt8]
    var subsections: [Subsection]
}

extension VirtioSectionLayout {
    /// Version, configuration space of 256 bytes, levels.
    private static let functionByteCount = 4 + 256 + 16

    /// Takes the section apart.
    init(_ bytes: [UInt8], field: String, section: String) throws(DeviceError) {
        var reader = BigEndianReader(bytes, section: section)
        self.field = field
        _ = try reader.integer(UInt32.self)
        var space = PCIConfigurationSpace(bytes: Array(try reader.take(256)))
        var count = 256
        // Behind a port of PCI Express, and only there, the function has that capability and the large space.
        if space.capability(PCICapabilityID.express) != nil {
            count = 4096
            _ = try reader.take(count - 256)
            space = PCIConfigurationSpace(bytes: Array(bytes[4..<4 + count]))
        }
        configurationSpace = 4..<4 + count
        interruptLevels = reader.position
        _ = try reader.take(16)
        if let table = MSIX(space) {
            let start = reader.position
            _ = try reader.take(table.sectionByteCount)
            msix = start..<reader.position
            _ = try reader.integer(UInt16.self)
        }
        common = reader.position
        _ = try reader.take(8)
        let length = Int(try reader.integer(UInt32.self))
        configuration = reader.position..<reader.position + length
        _ = try reader.take(length)
        let number = Int(try reader.integer(UInt32.self))
        guard number <= VirtioPCI.maximumQueues else {
            throw DeviceError(.malformed, "section \(section) has \(number) queues, QEMU's limit is 1024")
        }
        queues = []
        for _ in 0..<number {
            queues.append(reader.position)
            _ = try reader.take(msix == nil ? 14 : 16)
        }
        head = Array(bytes[..<reader.position])
        let start = try Self.subsectionStart(&reader, section)
        own = Array(bytes[head.count..<start])
        try reader.seek(start)
        subsections = []
        while reader.remaining > 0 { subsections.append(try Self.subsection(&reader, section)) }
    }

    /// The first position from which on all is subsections of virtio.
    private static func subsectionStart(_ reader: inout BigEndianReader, _ section: String) throws(DeviceError) -> Int {
        let start = reader.position
        let mark = Array("virtio/".utf8)
        var position = start
        // Real sections have one such position; the bound is for hostile ones.
        var attempts = 0
        while position < reader.bytes.count, attempts < 16 {
            if reader.bytes[position] == 5, reader.bytes.count - position > 2 + mark.count,
                reader.bytes[position + 2..<position + 2 + mark.count].elementsEqual(mark)
            {
                attempts += 1
                try reader.seek(position)
                if isSubsectionList(reader, section) { return position }
            }
            position += 1
        }
        return reader.bytes.count
    }

    private static func isSubsectionList(_ reader: BigEndianReader, _ section: String) -> Bool {
        var reader = reader
        while reader.remaining > 0 {
            guard (try? subsection(&reader, section)) != nil else { return false }
        }
        return true
    }

    /// Mark, length of the name, name, version, and a body whose length the name says.
    private static func subsection(_ reader: inout BigEndianReader, _ section: String) throws(DeviceError) -> Subsection
    {
        let mark: UInt8 = try reader.integer()
        let length: UInt8 = try reader.integer()
        let name = String(decoding: try reader.take(Int(length)), as: UTF8.self)
        let version: UInt32 = try reader.integer()
        let count: Int? =
            switch name {
            case Name.endianness, Name.broken, Name.started, Name.disabled: 1
            case Name.features: 8
            case Name.addresses: 16 * VirtioPCI.maximumQueues
            case Name.sizes: 4 * VirtioPCI.maximumQueues
            // Last and next entries with their wrap counters, for each queue.
            case Name.packed: nil
            case Name.extra: extraByteCount(reader)
            default: nil
            }
        guard mark == 5, let count else {
            throw DeviceError(.unsupported, "section \(section) has a part that is not known: \(name)")
        }
        return Subsection(name: name, version: version, body: Array(try reader.take(count)))
    }

    /// The state of the transport: nothing, or one subsection with the registers of the modern interface.
    private static func extraByteCount(_ reader: BigEndianReader) -> Int {
        let prefix = [5, UInt8(Name.modern.utf8.count)] + Array(Name.modern.utf8)
        guard reader.remaining >= prefix.count,
            reader.bytes[reader.position..<reader.position + prefix.count].elementsEqual(prefix)
        else { return 0 }
        return prefix.count + 4 + Modern.byteCount
    }
}

extension VirtioSectionLayout {
    /// Names of subsections.
    enum Name {
        static let endianness = "virtio/device_endian"
        static let features = "virtio/64bit_features"
        /// Addresses of available and used ring of each queue.
        static let addresses = "virtio/virtqueues"
        /// Default sizes of the queues, when one has another.
        static let sizes = "virtio/ringsize"
        static let broken = "virtio/broken"
        static let extra = "virtio/extra_state"
        static let started = "virtio/started"
        static let disabled = "virtio/disabled"
        static let packed = "virtio/packed_virtqueues"
        static let modern = "virtio_pci/modern_state"
    }

    /// Offsets in the registers of the modern interface, behind the name and version in `virtio/extra_state`.
    enum Modern {
        static let start = 2 + Name.modern.utf8.count + 4
        static let deviceFeatureSelect = 0
        static let driverFeatureSelect = 4
        static let features = 8
        static let queues = 16
        /// Size (2), unused (1), enabled (1), descriptors, available and used, each as low and high half.
        static let queueByteCount = 28
        static let byteCount = queues + queueByteCount * VirtioPCI.maximumQueues
    }

    func body(_ name: String) -> [UInt8]? { subsections.first { $0.name == name }?.body }

    /// Sets, adds or removes (nil) a subsection. A new one stands where QEMU writes it.
    mutating func set(_ name: String, _ body: [UInt8]?) {
        let index = subsections.firstIndex { $0.name == name }
        switch (index, body) {
        case (let index?, let body?): subsections[index].body = body
        case (let index?, nil): subsections.remove(at: index)
        case (nil, let body?):
            let order = [
                Name.endianness, Name.features, Name.addresses, Name.sizes, Name.broken, Name.extra, Name.started,
                Name.packed, Name.disabled,
            ]
            let rank = order.firstIndex(of: name) ?? order.count
            let place = subsections.firstIndex { (order.firstIndex(of: $0.name) ?? order.count) > rank }
            subsections.insert(Subsection(name: name, version: 1, body: body), at: place ?? subsections.count)
        case (nil, nil): break
        }
    }

    /// The section's bytes.
    var bytes: [UInt8] {
        var result = head + own
        for item in subsections {
            result.append(5)
            result.append(UInt8(truncatingIfNeeded: item.name.utf8.count))
            result.append(contentsOf: item.name.utf8)
            result.append(bigEndian: item.version)
            result.append(contentsOf: item.body)
        }
        return result
    }
}
