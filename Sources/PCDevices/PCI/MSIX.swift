/// A write that is an interrupt.
package struct MSIMessage: Sendable, Hashable {
    package var address: UInt64
    package var data: UInt32

    package init(address: UInt64, data: UInt32) {
        self.address = address
        self.data = data
    }
}

/// Message-signalled interrupts with a table in memory (PCI Local Bus 3.0, 6.8.2).
package struct MSIX: Sendable, Hashable {
    /// What a function raises; vector `unassigned` raises nothing (virtio 1.1, 4.1.5.1.3: VIRTIO_MSI_NO_VECTOR).
    static let unassigned: UInt16 = 0xFFFF

    /// Offset of the capability in the configuration space.
    let offset: Int
    /// Entries of 16 bytes: address, address high, data, control (bit 0: masked).
    private(set) var table: [UInt8]
    /// One bit an entry, in bytes.
    private(set) var pending: [UInt8]
    let tableBase: Int
    let tableOffset: UInt64
    let pendingBase: Int
    let pendingOffset: UInt64
    private(set) var isEnabled = false
    private var isFunctionMasked = false
    /// What was sent and not yet taken.
    private(set) var messages: [MSIMessage] = []

    /// Number of vectors.
    package var count: Int { table.count / 16 }

    /// Takes the place of table and pending bits from the capability; nil for a function without.
    package init?(_ configuration: PCIConfigurationSpace) {
        guard let offset = configuration.capability(PCICapabilityID.msix) else { return nil }
        self.offset = offset
        let count = Int(configuration.read(offset + 2, byteCount: 2) & 0x7FF) + 1
        let table = configuration.read(offset + 4, byteCount: 4)
        let pending = configuration.read(offset + 8, byteCount: 4)
        tableBase = Int(table & 7)
        tableOffset = table & ~7
        pendingBase = Int(pending & 7)
        pendingOffset = pending & ~7
        self.table = [UInt8](repeating: 0, count: 16 * count)
        self.pending = [UInt8](repeating: 0, count: (count + 7) / 8)
        for entry in 0..<count { self.table[16 * entry + 12] = 1 }
        control(configuration)
    }

    /// Bytes that QEMU keeps in a section: the table, then the pending bits.
    var sectionByteCount: Int { table.count + pending.count }

    /// Takes table and pending bits from a section; the length is ``sectionByteCount``.
    mutating func load(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count == sectionByteCount else { return }
        table = Array(bytes.prefix(table.count))
        pending = Array(bytes.suffix(pending.count))
    }
}

extension MSIX {
    /// Raises a vector: sends its message, or keeps it pending while it is masked.
    mutating func raise(_ vector: UInt16) {
        let entry = Int(vector)
        guard isEnabled, entry < count else { return }
        if isMasked(entry) {
            pending[entry / 8] |= 1 << UInt8(entry % 8)
        } else {
            send(entry)
        }
    }

    /// Follows the control bits of the capability after a write to the configuration space: what was pending and is no longer
    /// masked is sent.
    mutating func control(_ configuration: PCIConfigurationSpace) {
        let control = configuration.read(offset + 2, byteCount: 2)
        isEnabled = control & 0x8000 != 0
        isFunctionMasked = control & 0x4000 != 0
        for entry in 0..<count { sendPending(entry) }
    }

    /// Nothing is pending any more (the device was reset).
    mutating func clearPending() {
        for index in pending.indices { pending[index] = 0 }
    }

    /// The messages that were sent since the last call, oldest first.
    mutating func takeMessages() -> [MSIMessage] {
        defer { messages = [] }
        return messages
    }

    /// Reads table or pending bits; nil where neither lies. Accesses of 4 and 8 bytes have to be aligned (6.8.2), others are answered
    /// by bytes as well.
    func read(base: Int, _ offset: UInt64, byteCount: Int) -> UInt64? {
        if base == tableBase, offset >= tableOffset, offset - tableOffset < UInt64(table.count) {
            return Self.integer(table, Int(offset - tableOffset), byteCount)
        }
        // QEMU pads the pending bits to quadwords.
        if base == pendingBase, offset >= pendingOffset, offset - pendingOffset < UInt64((count + 63) / 64 * 8) {
            return Self.integer(pending, Int(offset - pendingOffset), byteCount)
        }
        return nil
    }

    /// Writes to the table; the pending bits are read only.
    mutating func write(base: Int, _ offset: UInt64, byteCount: Int, value: UInt64) {
        guard base == tableBase, offset >= tableOffset, offset - tableOffset < UInt64(table.count) else { return }
        let start = Int(offset - tableOffset)
        for index in 0..<min(max(byteCount, 0), 8) where start + index < table.count {
            table[start + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
        sendPending(start / 16)
        if (start + max(byteCount, 1) - 1) / 16 != start / 16 { sendPending(start / 16 + 1) }
    }

    private func isMasked(_ entry: Int) -> Bool { !isEnabled || isFunctionMasked || table[16 * entry + 12] & 1 != 0 }

    private mutating func sendPending(_ entry: Int) {
        guard entry < count else { return }
        let bit = UInt8(1) << UInt8(entry % 8)
        guard pending[entry / 8] & bit != 0, !isMasked(entry) else { return }
        pending[entry / 8] &= ~bit
        send(entry)
    }

    private mutating func send(_ entry: Int) {
        let address = Self.integer(table, 16 * entry, 8)
        let data = UInt32(truncatingIfNeeded: Self.integer(table, 16 * entry + 8, 4))
        messages.append(MSIMessage(address: address, data: data))
    }

    private static func integer(_ bytes: [UInt8], _ offset: Int, _ byteCount: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<min(max(byteCount, 0), 8) where offset + index < bytes.count {
            value |= UInt64(bytes[offset + index]) << UInt64(8 * index)
        }
        return value
    }
}
