/// A place in a function's memory that a vendor-specific capability of virtio tells (virtio 1.1, 4.1.4).
struct VirtioCapability: Sendable, Hashable {
    /// Field cfg_type.
    enum Kind: UInt8, Sendable, Hashable {
        case common = 1
        case notification = 2
        case interruptStatus = 3
        case device = 4
        case configurationAccess = 5
    }

    var kind: Kind
    /// Of the capability in the configuration space.
    var place: Int
    /// Number of the base address register.
    var base: Int
    var offset: UInt64
    var byteCount: UInt64

    /// The capabilities of a function, of each kind the first (the driver should use that one).
    static func all(_ configuration: PCIConfigurationSpace) -> [VirtioCapability] {
        var list: [VirtioCapability] = []
        for item in configuration.capabilities() where item.id == PCICapabilityID.vendorSpecific {
            guard
                let kind = Kind(rawValue: UInt8(truncatingIfNeeded: configuration.read(item.offset + 3, byteCount: 1))),
                !list.contains(where: { $0.kind == kind })
            else { continue }
            list.append(
                VirtioCapability(
                    kind: kind, place: item.offset, base: Int(configuration.read(item.offset + 4, byteCount: 1)),
                    offset: configuration.read(item.offset + 8, byteCount: 4),
                    byteCount: configuration.read(item.offset + 12, byteCount: 4)))
        }
        return list
    }
}
