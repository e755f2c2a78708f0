import VMState

extension PCIFunction {
    /// Reads a function from its section. A section whose configuration space cannot be found gives an empty one that answers nothing.
    init(_ section: DeviceSection, address: PCIAddress, name: String, seed: UInt64) throws(DeviceError) {
        let fields = section.fields() ?? []
        let model = PCIModel(section: name)
        self.address = address
        self.name = name
        sectionName = section.idstr
        if let field = fields.first(where: { $0.place.type == SectionType.virtio }) {
            let bytes = Array(section.payload[field.place.range])
            self.model = model
            let layout: VirtioSectionLayout
            do throws(DeviceError) {
                layout = try VirtioSectionLayout(bytes, field: field.path, section: section.name)
            } catch {
                // A device that the engine serves has to be understood; another one keeps its configuration space.
                guard model == .unknown else { throw error }
                configuration = Self.space(Array(bytes.dropFirst(4).prefix(256)))
                loadedLevels = Self.levels(bytes.dropFirst(260).prefix(16))
                device = .unsupported
                return
            }
            let space = Self.space(Array(layout.head[layout.configurationSpace]), layout.configuration.count)
            configuration = space
            loadedLevels = Self.levels(layout.head[layout.interruptLevels..<layout.interruptLevels + 16])
            device = try Self.virtio(model, section, space, layout, seed: seed &+ UInt64(address.path.last ?? 0))
            return
        }
        guard model != .virtioBlock, model != .virtioEntropy, model != .virtioNetwork else {
            throw DeviceError(.malformed, "section \(section.name) has no field of QEMU's type \"virtio\"")
        }
        let bytes = fields.first { $0.place.type == SectionType.configuration }.map { section.payload[$0.place.range] }
        self.model = model
        configuration = Self.space(bytes.map { Array($0) } ?? [UInt8](repeating: 0xFF, count: 4))
        let levels = fields.first { $0.place.type == SectionType.levels }.map { section.payload[$0.place.range] }
        loadedLevels = Self.levels(levels ?? [])
        switch model {
        case .hostBridge, .memoryController, .piix3, .inert, .bridge: device = .inert
        case .ich9: device = .ich9(ICH9Routing(registers: (try? section.bytes("chip_config")) ?? []))
        case .e1000: device = .e1000(E1000(section))
        case .virtioBlock, .virtioEntropy, .virtioNetwork, .unknown: device = .unsupported
        }
    }

    /// QEMU's names of the types of fields.
    enum SectionType {
        static let configuration = "pci config"
        static let levels = "pci irq state"
        static let virtio = "virtio"
    }

    private static func virtio(
        _ model: PCIModel, _ section: DeviceSection, _ space: PCIConfigurationSpace, _ layout: VirtioSectionLayout,
        seed: UInt64
    ) throws(DeviceError) -> Device {
        let carried: VirtioPCI.Model
        switch model {
        case .virtioBlock: carried = .block(VirtioBlock())
        case .virtioEntropy: carried = .entropy(VirtioEntropy(seed: seed))
        case .virtioNetwork: carried = .network(VirtioNetwork())
        default: return .unsupported
        }
        return .virtio(try VirtioPCI(section, model: carried, function: space, layout: layout))
    }

    private static func space(_ bytes: [UInt8], _ configurationByteCount: Int = 0) -> PCIConfigurationSpace {
        func half(_ offset: Int) -> UInt16 {
            bytes.count > offset + 1 ? UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8 : 0xFFFF
        }
        return PCIConfigurationSpace(
            bytes: bytes,
            sizes: PCIModel.sizes(
                vendor: half(PCIRegister.vendor), device: half(PCIRegister.device),
                configurationByteCount: configurationByteCount))
    }

    private static func levels(_ bytes: ArraySlice<UInt8>) -> [Bool] {
        (0..<4).map { pin in bytes.dropFirst(4 * pin).prefix(4).contains { $0 != 0 } }
    }

    /// Overwrites the section's fields. A virtio device whose section changes its length does not fit a section: see
    /// ``PCIBus/save(to:)``.
    func save(to section: inout DeviceSection) throws {
        let fields = section.fields() ?? []
        if let field = fields.first(where: { $0.place.type == SectionType.virtio }) {
            // Of a device that is not served, only the configuration space can have changed.
            if let bytes = virtio?.sectionBytes(configuration) {
                try section.set(field.path, toBytes: bytes)
            } else if var bytes = try? section.bytes(field.path), bytes.count >= 4 + configuration.bytes.count {
                bytes.replaceSubrange(4..<4 + configuration.bytes.count, with: configuration.bytes)
                try section.set(field.path, toBytes: bytes)
            }
            return
        }
        if let field = fields.first(where: { $0.place.type == SectionType.configuration }),
            field.place.range.count == configuration.bytes.count
        {
            try section.set(field.path, toBytes: configuration.bytes)
        }
        if let field = fields.first(where: { $0.place.type == SectionType.levels }), field.place.range.count == 16 {
            try section.set(field.path, toBytes: levels.flatMap { [0, 0, 0, $0 ? 1 : 0] as [UInt8] })
        }
        switch device {
        case .e1000(let device): try device.save(to: &section)
        case .ich9(let routing):
            if section.contains("chip_config") { try section.set("chip_config", toBytes: routing.registers) }
        case .inert, .virtio, .unsupported: break
        }
    }
}

extension PCIBus {
    /// Writes all functions, the bus and the host's address register into a stream. The section of a virtio device is replaced when its
    /// length has changed.
    package func save(to stream: inout MigrationStream) throws {
        for function in functions {
            guard var section = stream.device(function.sectionName) else { continue }
            if let bytes = function.virtio?.sectionBytes(function.configuration), bytes.count != section.payload.count {
                try Self.resize(section, bytes, in: &stream)
            } else {
                try function.save(to: &section)
                try stream.replace(section)
            }
        }
        for section in stream.devices where ["PCIHost", "PCIBUS"].contains(section.idstr) && section.instanceID == 0 {
            var section = section
            try save(to: &section)
            try stream.replace(section)
        }
        if let piix3, var section = stream.device(functions[piix3].sectionName),
            section.contains("pci_irq_levels_vmstate")
        {
            try section.set("pci_irq_levels_vmstate", toBytes: Self.bytes(counts(4).map { $0 == 0 ? 0 : 1 }))
            try stream.replace(section)
        }
    }

    /// Overwrites the sections `PCIHost` and `PCIBUS`.
    private func save(to section: inout DeviceSection) throws(VMStateError) {
        if section.contains("config_reg") { try section.set("config_reg", to: UInt64(configurationAddress)) }
        if let place = try? section.place("irq_count"), place.elementSize == 4 {
            try section.set("irq_count", toBytes: Self.bytes(counts(place.count)))
        }
    }

    /// How many functions assert each PIRQ.
    private func counts(_ count: Int) -> [UInt32] {
        var list = [UInt32](repeating: 0, count: count)
        for function in functions where !function.configuration.command.contains(.interruptDisable) {
            for (pin, level) in function.levels.enumerated() where level {
                if let line = line(function.address, pin), line < count { list[line] += 1 }
            }
        }
        return list
    }

    private static func bytes(_ words: [UInt32]) -> [UInt8] {
        var list: [UInt8] = []
        for word in words { list.append(bigEndian: word) }
        return list
    }

    /// Puts a virtio device's section of another length in the place of the present one.
    private static func resize(_ section: DeviceSection, _ bytes: [UInt8], in stream: inout MigrationStream) throws {
        guard let position = stream.devices.firstIndex(where: { $0.idstr == section.idstr }) else { return }
        let model = PCIAddress.parse(section.idstr)?.model ?? ""
        let field = """
            {"name": "virtio", "type": "virtio", "size": \(bytes.count)}
            """
        let entry = """
            {"name": "\(section.idstr)", "instance_id": \(section.instanceID), "vmsd_name": "\(model)", \
            "version": \(section.versionID), "fields": [\(field)]}
            """
        try stream.remove(section.idstr, section.instanceID)
        try stream.insert(
            idstr: section.idstr, instanceID: section.instanceID, versionID: section.versionID, payload: bytes,
            description: entry, at: position)
    }
}
