import VMState

extension VirtioPCI {
    /// Reads a device from a snapshot. Which requests the snapshot's ring holds is read later, by ``resume(memory:)``.
    init(_ section: DeviceSection, model: Model, function: PCIConfigurationSpace, layout: VirtioSectionLayout)
        throws(DeviceError)
    {
        let name = section.name
        var reader = BigEndianReader(layout.head, section: name)
        try reader.seek(layout.configuration.upperBound)
        let count = Int(try reader.integer(UInt32.self))
        var sizes: [UInt16] = []
        for start in layout.queues {
            try reader.seek(start)
            sizes.append(UInt16(clamping: try reader.integer(UInt32.self)))
        }
        guard count == sizes.count, !sizes.contains(where: { $0 > Virtqueue.maximumSize }) else {
            throw DeviceError(.malformed, "section \(name) has a queue of more than 1024 descriptors")
        }
        let defaults = layout.body(VirtioSectionLayout.Name.sizes)
        let defaultSizes = sizes.indices.map { index in
            defaults.map { UInt16(truncatingIfNeeded: Self.integer($0, 4 * index, 4)) } ?? sizes[index]
        }
        self.init(
            model, queueSizes: defaultSizes, configuration: Array(layout.head[layout.configuration]),
            function: function)
        self.layout = layout
        if let table = layout.msix {
            msix?.load(layout.head[table])
            // What is pending and not masked is sent, as QEMU does when it loads.
            msix?.control(function)
            configurationVector = UInt16(truncatingIfNeeded: Self.integer(layout.head, table.upperBound, 2))
        }
        loadCommon(layout)
        for (index, size) in sizes.enumerated() { loadQueue(index, size, layout) }
        loadSubsections(layout)
        if let pin = function.interruptPin {
            interruptLine = Self.integer(layout.head, layout.interruptLevels + 4 * pin, 4) != 0
        }
        if case .entropy = self.model, !layout.own.isEmpty {
            throw DeviceError(
                .malformed,
                "section \(name) has \(layout.own.count) bytes that are not understood; the stream is damaged")
        }
        if case .block(var block) = self.model {
            block.inFlight = try VirtioRequestList.read(layout.own, queueCount: Self.queueCount(configuration), name)
            self.model = .block(block)
        }
    }

    private mutating func loadCommon(_ layout: VirtioSectionLayout) {
        status = VirtioStatus(rawValue: layout.head[layout.common])
        interruptStatus = layout.head[layout.common + 1]
        queueSelect = UInt16(truncatingIfNeeded: Self.integer(layout.head, layout.common + 2, 2))
        var set = Self.integer(layout.head, layout.common + 4, 4)
        if let high = layout.body(VirtioSectionLayout.Name.features) { set = Self.integer(high, 0, 8) }
        features = VirtioFeatures(rawValue: set)
    }

    private mutating func loadQueue(_ index: Int, _ size: UInt16, _ layout: VirtioSectionLayout) {
        let start = layout.queues[index]
        queues[index].size = size
        queues[index].setLegacyAddress(Self.integer(layout.head, start + 4, 8))
        queues[index].lastAvailable = UInt16(truncatingIfNeeded: Self.integer(layout.head, start + 12, 2))
        if layout.msix != nil {
            queues[index].vector = UInt16(truncatingIfNeeded: Self.integer(layout.head, start + 14, 2))
        }
        if features.contains(.version1), let addresses = layout.body(VirtioSectionLayout.Name.addresses) {
            queues[index].available = Self.integer(addresses, 16 * index, 8)
            queues[index].used = Self.integer(addresses, 16 * index + 8, 8)
        }
    }

    private mutating func loadSubsections(_ layout: VirtioSectionLayout) {
        isBroken = layout.body(VirtioSectionLayout.Name.broken)?.first == 1
        isStarted = layout.body(VirtioSectionLayout.Name.started)?.first == 1
        guard let extra = layout.body(VirtioSectionLayout.Name.extra), !extra.isEmpty else { return }
        let start = VirtioSectionLayout.Modern.start
        deviceFeatureSelect = Self.half(extra, start + VirtioSectionLayout.Modern.deviceFeatureSelect)
        driverFeatureSelect = Self.half(extra, start + VirtioSectionLayout.Modern.driverFeatureSelect)
        acceptedHalves = (0..<2).map { Self.half(extra, start + VirtioSectionLayout.Modern.features + 4 * $0) }
        for index in queues.indices {
            let place = start + VirtioSectionLayout.Modern.queues + VirtioSectionLayout.Modern.queueByteCount * index
            func address(_ offset: Int) -> UInt64 {
                Self.integer(extra, place + offset, 4) | Self.integer(extra, place + offset + 4, 4) << 32
            }
            queues[index].modern = Virtqueue.ModernRegisters(
                size: UInt16(truncatingIfNeeded: Self.integer(extra, place, 2)),
                isEnabled: Self.integer(extra, place + 3, 1) != 0, descriptors: address(4), available: address(12),
                used: address(20))
        }
    }

    /// Field `num_queues` of a block device's configuration; 1 when QEMU has not filled it.
    private static func queueCount(_ configuration: [UInt8]) -> Int {
        configuration.count >= 36 ? max(1, Int(configuration[34]) | Int(configuration[35]) << 8) : 1
    }

    private static func half(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: integer(bytes, offset, 4))
    }

    /// A big-endian integer; zero beyond the end.
    private static func integer(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        guard offset >= 0, count >= 0, bytes.count - count >= offset else { return 0 }
        return bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension VirtioPCI {
    /// The section as QEMU would have written it now; nil for a device that did not come from one. Its length differs from the loaded one's
    /// when requests in flight were finished, or the driver has started or stopped the device.
    package func sectionBytes(_ function: PCIConfigurationSpace) -> [UInt8]? {
        guard var layout else { return nil }
        saveFunction(function, &layout)
        layout.head[layout.common] = status.rawValue
        layout.head[layout.common + 1] = interruptStatus
        layout.head.put(queueSelect, at: layout.common + 2)
        layout.head.put(UInt32(truncatingIfNeeded: features.rawValue), at: layout.common + 4)
        layout.head.replaceSubrange(layout.configuration, with: configuration)
        for (index, start) in layout.queues.enumerated() where index < queues.count {
            layout.head.put(UInt32(queues[index].size), at: start)
            layout.head.put(queues[index].descriptors, at: start + 4)
            layout.head.put(queues[index].lastAvailable, at: start + 12)
            if layout.msix != nil { layout.head.put(queues[index].vector, at: start + 14) }
        }
        if case .block(let block) = model, block.inFlight.isEmpty { layout.own = [0] }
        saveSubsections(&layout)
        return layout.bytes
    }

    private func saveFunction(_ function: PCIConfigurationSpace, _ layout: inout VirtioSectionLayout) {
        guard function.bytes.count == layout.configurationSpace.count else { return }
        layout.head.replaceSubrange(layout.configurationSpace, with: function.bytes)
        // QEMU leaves the interrupt bit of the status register to the levels.
        layout.head[layout.configurationSpace.lowerBound + PCIRegister.status] &= ~UInt8(PCIStatus.interrupt)
        for pin in 0..<4 {
            let level: UInt32 = pin == function.interruptPin && interruptLine ? 1 : 0
            layout.head.put(level, at: layout.interruptLevels + 4 * pin)
        }
        if let range = layout.msix, let msix, msix.sectionByteCount == range.count {
            layout.head.replaceSubrange(range, with: msix.table + msix.pending)
            layout.head.put(configurationVector, at: range.upperBound)
        }
    }

    private func saveSubsections(_ layout: inout VirtioSectionLayout) {
        typealias Name = VirtioSectionLayout.Name
        if var high = layout.body(Name.features) {
            high.put(features.rawValue, at: 0)
            layout.set(Name.features, high)
        }
        if var addresses = layout.body(Name.addresses) {
            for (index, queue) in queues.enumerated() {
                addresses.put(queue.available, at: 16 * index)
                addresses.put(queue.used, at: 16 * index + 8)
            }
            layout.set(Name.addresses, addresses)
        }
        if queues.contains(where: { $0.size != $0.defaultSize }) {
            var sizes: [UInt8] = []
            for index in 0..<Self.maximumQueues {
                sizes.append(bigEndian: UInt32(index < queues.count ? queues[index].defaultSize : 0))
            }
            layout.set(Name.sizes, sizes)
        } else {
            layout.set(Name.sizes, nil)
        }
        layout.set(Name.broken, isBroken ? [1] : nil)
        layout.set(Name.started, isStarted ? [1] : nil)
        if isBusMaster { layout.set(Name.disabled, nil) }
        if var extra = layout.body(Name.extra), !extra.isEmpty {
            saveModern(&extra)
            layout.set(Name.extra, extra)
        }
    }

    private func saveModern(_ extra: inout [UInt8]) {
        typealias Modern = VirtioSectionLayout.Modern
        extra.put(deviceFeatureSelect, at: Modern.start + Modern.deviceFeatureSelect)
        extra.put(driverFeatureSelect, at: Modern.start + Modern.driverFeatureSelect)
        for (index, half) in acceptedHalves.enumerated() {
            extra.put(half, at: Modern.start + Modern.features + 4 * index)
        }
        for (index, queue) in queues.enumerated() {
            let place = Modern.start + Modern.queues + Modern.queueByteCount * index
            extra.put(queue.modern.size, at: place)
            extra.put(UInt8(queue.modern.isEnabled ? 1 : 0), at: place + 3)
            for (number, address) in [queue.modern.descriptors, queue.modern.available, queue.modern.used].enumerated()
            {
                extra.put(UInt32(truncatingIfNeeded: address), at: place + 4 + 8 * number)
                extra.put(UInt32(truncatingIfNeeded: address >> 32), at: place + 8 + 8 * number)
            }
        }
    }
}
