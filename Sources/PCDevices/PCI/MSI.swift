/// Message-signalled interrupts with their address in the configuration space (PCI Local Bus 3.0, 6.8.1).
package struct MSI: Sendable, Hashable {
    private let offset: Int

    /// Finds the capability; nil for a function without.
    package init?(_ configuration: PCIConfigurationSpace) {
        guard let offset = configuration.capability(PCICapabilityID.msi) else { return nil }
        self.offset = offset
    }

    /// The message of a vector; nil while the capability is not enabled or the vector is masked (it is then pending in the capability).
    package func message(_ vector: Int, _ configuration: inout PCIConfigurationSpace) -> MSIMessage? {
        let control = configuration.read(offset + 2, byteCount: 2)
        guard control & 1 != 0 else { return nil }
        let isWide = control & 0x80 != 0
        let dataOffset = offset + (isWide ? 12 : 8)
        // Bits 4-6: base-two logarithm of how many vectors the guest allows, 32 at most.
        let allowed = UInt64(1) << min(control >> 4 & 7, 5)
        let vector = UInt64(truncatingIfNeeded: vector) & (allowed - 1)
        if control & 0x100 != 0, configuration.read(dataOffset + 4, byteCount: 4) >> vector & 1 != 0 {
            let pending = configuration.read(dataOffset + 8, byteCount: 4) | 1 << vector
            configuration.set(dataOffset + 8, byteCount: 4, value: pending)
            return nil
        }
        let address = configuration.read(offset + 4, byteCount: isWide ? 8 : 4)
        let data = configuration.read(dataOffset, byteCount: 2) & ~(allowed - 1) | vector
        return MSIMessage(address: address & ~3, data: UInt32(truncatingIfNeeded: data))
    }
}
