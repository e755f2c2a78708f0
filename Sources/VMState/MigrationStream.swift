/// A migration stream without its RAM contents, as a value.
package struct MigrationStream: Sendable, Hashable {
    /// Name of the machine type and what belongs to it; nil in streams of sources with `send-configuration` off.
    package var configuration: StreamConfiguration?
    /// The RAM section's identity and blocks.
    package var ram: RAMSection
    /// The device sections in order.
    package internal(set) var devices: [DeviceSection]
    /// How many of `devices` come before the RAM section (QEMU 8 and later: early set-up).
    package internal(set) var earlyDeviceCount: Int
    /// The description, if the stream has one.
    package internal(set) var description: VMDescription?
    /// Each section ends with a footer (always, unless switched off at the source).
    package var hasFooters: Bool
    /// Order and flags of the RAM records, if the reader was told to keep them.
    package internal(set) var recordLog: RAMRecordLog?

    init(
        configuration: StreamConfiguration?, ram: RAMSection, devices: [DeviceSection], earlyDeviceCount: Int,
        description: VMDescription?, hasFooters: Bool, recordLog: RAMRecordLog? = nil
    ) {
        self.configuration = configuration
        self.ram = ram
        self.devices = devices
        self.earlyDeviceCount = earlyDeviceCount
        self.description = description
        self.hasFooters = hasFooters
        self.recordLog = recordLog
    }

    /// The versioned machine type, for example `pc-i440fx-7.2`.
    package var machineName: String? { configuration?.machine }

    /// The block with the guest's main memory.
    package var mainRAM: RAMBlock? { ram.blocks.first { $0.idstr == "pc.ram" } }

    /// A device section.
    package func device(_ idstr: String, _ instanceID: UInt32 = 0) -> DeviceSection? {
        devices.first { $0.idstr == idstr && $0.instanceID == instanceID }
    }

    /// All device sections of a name, in order of the stream.
    package func devices(named idstr: String) -> [DeviceSection] { devices.filter { $0.idstr == idstr } }

    /// Device sections whose name ends in `/suffix` or is `suffix`: PCI devices without their address.
    package func devices(ofModel suffix: String) -> [DeviceSection] {
        devices.filter { $0.idstr == suffix || $0.idstr.hasSuffix("/\(suffix)") }
    }
}

extension MigrationStream {
    /// Replaces the bytes of a section by those of `section` (same idstr and instance, same length).
    package mutating func replace(_ section: DeviceSection) throws(VMStateError) {
        guard let index = index(section.idstr, section.instanceID) else {
            throw VMStateError(.notFound, "the stream has no such section", section: section.name)
        }
        guard devices[index].payload.count == section.payload.count else {
            throw VMStateError(
                .inconsistent,
                "a section of \(section.payload.count) bytes cannot replace one of \(devices[index].payload.count)",
                section: section.name)
        }
        devices[index] = section
    }

    /// Edits a section in place.
    package mutating func edit(
        _ idstr: String, _ instanceID: UInt32 = 0, _ body: (inout DeviceSection) throws(VMStateError) -> Void
    ) throws(VMStateError) {
        guard let index = index(idstr, instanceID) else {
            throw VMStateError(.notFound, "the stream has no such section", section: "\(idstr)#\(instanceID)")
        }
        var section = devices[index]
        try body(&section)
        try replace(section)
    }

    /// Takes a section out, with its entry in the description.
    package mutating func remove(_ idstr: String, _ instanceID: UInt32 = 0) throws(VMStateError) {
        guard let index = index(idstr, instanceID) else {
            throw VMStateError(.notFound, "the stream has no such section", section: "\(idstr)#\(instanceID)")
        }
        try description?.remove(idstr, instanceID)
        devices.remove(at: index)
        if index < earlyDeviceCount { earlyDeviceCount -= 1 }
    }

    /// Inserts a section before the device section at `position`.
    ///
    /// - Parameter entry: the section's JSON object for the description. Its size has to be that of the payload.
    package mutating func insert(
        idstr: String, instanceID: UInt32 = 0, versionID: UInt32, payload: [UInt8], description entry: String,
        at position: Int
    ) throws(VMStateError) {
        let name = "\(idstr)#\(instanceID)"
        guard index(idstr, instanceID) == nil else {
            throw VMStateError(.inconsistent, "the stream has this section already", section: name)
        }
        let described = try DeviceDescription(try JSONReader.parse(Array(entry.utf8)))
        guard described.size == payload.count, described.name == idstr, described.instanceID == instanceID else {
            throw VMStateError(.inconsistent, "the description does not fit the section", section: name)
        }
        let place = min(max(position, earlyDeviceCount), devices.count)
        // Sections without an entry do not count in the description's order.
        let before = devices[..<place].reduce(0) { count, device in
            description?.device(device.idstr, device.instanceID) == nil ? count : count + 1
        }
        try description?.insert(entry, at: before)
        let used = devices.reduce(ram.sectionID) { max($0, $1.sectionID) }
        devices.insert(
            DeviceSection(
                sectionID: used &+ 1, idstr: idstr, instanceID: instanceID, versionID: versionID, payload: payload,
                layout: described.layout),
            at: place)
    }

    /// Forgets the record log: the stream can then be written in canonical form only.
    package mutating func discardRecordLog() { recordLog = nil }

    private func index(_ idstr: String, _ instanceID: UInt32) -> Int? {
        devices.firstIndex { $0.idstr == idstr && $0.instanceID == instanceID }
    }
}
