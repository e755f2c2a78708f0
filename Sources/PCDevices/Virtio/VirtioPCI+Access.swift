/// Accesses by base address register, and through the configuration space.
extension VirtioPCI {
    /// Number of the base address register of the legacy interface (4.1.4.8).
    static let legacyBase = 0

    /// Reads up to eight bytes behind a base address register.
    package mutating func read(base: Int, _ offset: UInt64, byteCount: Int, isPort: Bool) -> UInt64 {
        if base == Self.legacyBase, isPort { return readLegacy(offset, byteCount: byteCount) }
        if let value = msix?.read(base: base, offset, byteCount: byteCount) { return value }
        // Registers have at most four bytes: an access of eight is two (4.1.3.1).
        guard byteCount == 8 else { return readModern(base: base, offset, byteCount: byteCount) }
        let low = readModern(base: base, offset, byteCount: 4) & 0xFFFF_FFFF
        return low | readModern(base: base, offset &+ 4, byteCount: 4) << 32
    }

    /// Writes up to eight bytes behind a base address register; a notification is carried out before this returns.
    package mutating func write<Memory: PhysicalMemory & ~Copyable>(
        base: Int, _ offset: UInt64, byteCount: Int, value: UInt64, isPort: Bool, function: PCIConfigurationSpace,
        memory: inout Memory
    ) {
        if base == Self.legacyBase, isPort {
            return writeLegacy(offset, byteCount: byteCount, value: value, memory: &memory)
        }
        if msix?.read(base: base, offset, byteCount: byteCount) != nil {
            msix?.write(base: base, offset, byteCount: byteCount, value: value)
            return
        }
        // notify_off_multiplier follows the notification capability (4.1.4.4).
        let multiplier =
            capabilities.first { $0.kind == .notification }
            .map { function.read($0.place + 16, byteCount: 4) } ?? 0
        let low = byteCount == 8 ? 4 : byteCount
        writeModern(
            base: base, offset, byteCount: low, value: value & (low >= 8 ? .max : 1 << UInt64(8 * low) - 1),
            notifyMultiplier: multiplier, memory: &memory)
        if byteCount == 8 {
            writeModern(
                base: base, offset &+ 4, byteCount: 4, value: value >> 32, notifyMultiplier: multiplier,
                memory: &memory)
        }
    }

    /// Before the guest reads the data window of the configuration access capability (4.1.4.7): fetches what it selects. nil when the range
    /// has nothing to do with the window.
    func window(_ offset: Int, _ byteCount: Int, _ function: PCIConfigurationSpace) -> (
        base: Int, offset: UInt64, count: Int
    )? {
        guard let access = capabilities.first(where: { $0.kind == .configurationAccess }) else { return nil }
        let data = access.place + 16
        guard offset < data + 4, offset + byteCount > data else { return nil }
        let count = Int(function.read(access.place + 12, byteCount: 4))
        guard count == 1 || count == 2 || count == 4 else { return nil }
        // The offset has to be a multiple of the length; QEMU rounds it down.
        let place = function.read(access.place + 8, byteCount: 4) & ~UInt64(count - 1)
        return (Int(function.read(access.place + 4, byteCount: 1)), place, count)
    }

    /// Offset of the data window in the configuration space.
    var windowPlace: Int? { capabilities.first { $0.kind == .configurationAccess }.map { $0.place + 16 } }
}
