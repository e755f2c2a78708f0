import VMState

/// The PCI functions of QEMU's `pc` and `q35` machines: configuration, decoding of ports and memory, interrupt lines.
///
/// Accesses go through ``claims(port:byteCount:)`` and ``claims(memory:)``: when one says yes, ``readPort(_:byteCount:now:)`` and its
/// sisters answer. After any write, and after reads that have effects, the board looks at ``interruptLines`` and takes
/// ``takeMessages()``.
package struct PCIBus: Sendable {
    /// The functions in order of their addresses.
    package internal(set) var functions: [PCIFunction] = []
    /// Register at port 0xCF8.
    package internal(set) var configurationAddress: UInt32 = 0
    /// Levels of the interrupt lines that PCI functions drive, by global number: 0-15 are ISA's (both to 8259 and IOAPIC), 16-23 the
    /// IOAPIC's alone. Bits of lines that no PCI function drives are zero.
    package internal(set) var interruptLines: UInt32 = 0
    /// Messages may carry 15-bit destinations (KVM's `kvm-msi-ext-dest-id`).
    package let acceptsExtendedDestinations: Bool
    /// Names of functions that the engine lacks and that the guest has touched, in the order of the first touch.
    package internal(set) var touchedUnsupported: [String] = []
    /// Messages that were sent and not yet taken.
    package internal(set) var messages: [InterruptMessage] = []
    var portWindows: [PCIWindow] = []
    var memoryWindows: [PCIWindow] = []
    /// Indexes of the bridges that have a say.
    let piix3: Int?
    let ich9: Int?
    let memoryController: Int?

    /// Reads all functions of a snapshot. Sections that are none of PCI are passed over.
    ///
    /// - Parameter seed: of the bytes that entropy devices give.
    package init(
        _ sections: [DeviceSection], seed: UInt64 = 0, acceptsExtendedDestinations: Bool = false
    ) throws(DeviceError) {
        self.acceptsExtendedDestinations = acceptsExtendedDestinations
        var functions: [PCIFunction] = []
        for section in sections {
            guard let (address, name) = PCIAddress.parse(section.idstr) else { continue }
            // More functions than any real machine has: a hostile stream.
            guard functions.count < 256, !functions.contains(where: { $0.address == address }) else {
                throw DeviceError(
                    .malformed, "two sections for one PCI address, or more than 256 functions: \(section.name)")
            }
            functions.append(try PCIFunction(section, address: address, name: name, seed: seed))
        }
        functions.sort { $0.address.path.lexicographicallyPrecedes($1.address.path) }
        func index(_ model: PCIModel) -> Int? { functions.firstIndex { $0.model == model } }
        piix3 = index(.piix3)
        ich9 = index(.ich9)
        memoryController = index(.memoryController)
        self.functions = functions
        let host = sections.first { $0.idstr == "PCIHost" }
        if let value = try? host?.unsigned("config_reg") { configurationAddress = UInt32(truncatingIfNeeded: value) }
        mapWindows()
        routeInterrupts()
        collectMessages(nil)
    }

    /// The messages since the last call, oldest first.
    package mutating func takeMessages() -> [InterruptMessage] {
        defer { messages = [] }
        return messages
    }

    /// The function at an address.
    package func function(_ address: PCIAddress) -> PCIFunction? { functions.first { $0.address == address } }

    /// Brings lines and messages up to date after something happened to a function; nil for all functions.
    mutating func collectMessages(_ index: Int?) {
        for number in index.map({ $0..<$0 + 1 }) ?? functions.indices {
            for message in functions[number].takeMessages() {
                // A message to another address would be a write to memory: no driver asks for that.
                if let interrupt = InterruptMessage(
                    address: message.address, data: message.data, isExtended: acceptsExtendedDestinations)
                {
                    messages.append(interrupt)
                }
            }
        }
    }
}
