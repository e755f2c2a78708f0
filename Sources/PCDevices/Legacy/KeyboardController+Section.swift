import VMState

extension KeyboardController {
    /// Bits of the field `pending_tmp`; without the extended state QEMU writes the devices' bits as 1 and 2.
    private enum Pending {
        static let controllerKeyboard: UInt8 = 0x04
        static let controllerMouse: UInt8 = 0x08
        static let keyboard: UInt8 = 0x10
        static let mouse: UInt8 = 0x20
        static let shortKeyboard: UInt8 = 0x01
        static let shortMouse: UInt8 = 0x02
    }

    private static let extended = "kbd.pckbd/extended_state."

    /// Reads sections `pckbd`, `ps2kbd` and `ps2mouse`.
    package init(
        _ section: DeviceSection, keyboard keyboardSection: DeviceSection, mouse mouseSection: DeviceSection
    ) throws(DeviceError) {
        keyboard = try PS2Keyboard(keyboardSection)
        mouse = try PS2Mouse(mouseSection)
        command = try section.integerField("kbd.write_cmd")
        status = try section.integerField("kbd.status")
        mode = try section.integerField("kbd.mode")
        let pending = try section.integerField("kbd.pending_tmp", as: UInt8.self)
        if pending & Pending.controllerKeyboard != 0 {
            answer = .keyboard
        } else if pending & Pending.controllerMouse != 0 {
            answer = .mouse
        }
        outputPort = section.integerField("kbd.pckbd_outport.outport", default: usualOutputPort)
        var origin = Source.none
        if status & Status.outputFull != 0 { origin = status & Status.mouseOutputFull != 0 ? .mouse : .keyboard }
        source = Source(rawValue: section.integerField(Self.extended + "obsrc", default: origin.rawValue)) ?? origin
        outputByte = section.integerField(Self.extended + "obdata", default: 0)
        answerByte = section.integerField(Self.extended + "cbdata", default: 0)
        // Set while QEMU held the next byte back for a moment.
        if section.integerField(Self.extended + "migration_flags", default: UInt32(0)) & 1 != 0 { fillOutput() }
    }

    /// The output port as QEMU takes it to be when the section does not say.
    private var usualOutputPort: UInt8 {
        var port = Output.initial
        if status & Status.outputFull != 0 { port |= Output.keyboardFull }
        if status & Status.mouseOutputFull != 0 { port |= Output.mouseFull }
        return port
    }

    /// What section `pckbd` has to have beside its fields.
    package var neededSubsections: [NeededSubsection] {
        guard outputPort != usualOutputPort else { return [] }
        return [
            NeededSubsection("pckbd_outport", inside: "kbd", fields: [.integer("outport", "uint8", outputPort)])
        ]
    }

    /// What section `ps2kbd` has to have beside its fields.
    package var neededKeyboardSubsections: [NeededSubsection] {
        guard keyboard.indicators != 0 else { return [] }
        return [
            NeededSubsection("ps2kbd/ledstate", version: 3, fields: [.int32("ledstate", Int32(keyboard.indicators))])
        ]
    }

    /// Overwrites section `pckbd`.
    package func save(to section: inout DeviceSection) throws(DeviceError) {
        try section.setIntegerField("kbd.write_cmd", to: command)
        try section.setIntegerField("kbd.status", to: status)
        try section.setIntegerField("kbd.mode", to: mode)
        let isExtended = section.contains(Self.extended + "obsrc")
        var pending: UInt8 = 0
        if isExtended {
            if answer == .keyboard { pending |= Pending.controllerKeyboard }
            if answer == .mouse { pending |= Pending.controllerMouse }
        }
        if !keyboard.queue.isEmpty { pending |= isExtended ? Pending.keyboard : Pending.shortKeyboard }
        if !mouse.queue.isEmpty { pending |= isExtended ? Pending.mouse : Pending.shortMouse }
        try section.setIntegerField("kbd.pending_tmp", to: pending)
        try section.setOptionalIntegerField("kbd.pckbd_outport.outport", to: outputPort)
        try section.setOptionalIntegerField(Self.extended + "obsrc", to: source.rawValue)
        try section.setOptionalIntegerField(Self.extended + "obdata", to: outputByte)
        try section.setOptionalIntegerField(Self.extended + "cbdata", to: answerByte)
        try section.setOptionalIntegerField(Self.extended + "migration_flags", to: UInt32(0))
    }

    /// Overwrites section `ps2kbd`.
    package func save(toKeyboard section: inout DeviceSection) throws(DeviceError) { try keyboard.save(to: &section) }

    /// Overwrites section `ps2mouse`.
    package func save(toMouse section: inout DeviceSection) throws(DeviceError) { try mouse.save(to: &section) }
}

/// Fields that both devices have.
extension PS2Queue {
    private static let ringSize = 256

    fileprivate init(_ section: DeviceSection, _ prefix: String) throws(DeviceError) {
        guard let ring = try section.bufferField(prefix + "queue.data", count: Self.ringSize) else {
            throw DeviceError(.malformed, "section \(section.name) has no field \(prefix)queue.data")
        }
        let start = Int(try section.integerField(prefix + "queue.rptr", as: Int32.self))
        let count = Int(try section.integerField(prefix + "queue.count", as: Int32.self))
        guard (0..<Self.ringSize).contains(start), (0...Self.limit).contains(count) else {
            throw DeviceError(
                .malformed, "section \(section.name): \(prefix)queue.rptr or queue.count is outside of the queue")
        }
        self.init(events: (0..<count).map { ring[(start + $0) % Self.ringSize] })
    }

    /// Writes the queue to the ring's beginning, unless the section has the same contents.
    fileprivate func save(to section: inout DeviceSection, _ prefix: String) throws(DeviceError) {
        let bytes = Array(bytes.prefix(Self.limit))
        if let present = try? PS2Queue(section, prefix), present.bytes == bytes { return }
        try section.setOptionalBufferField(
            prefix + "queue.data", to: bytes + Array(repeating: 0, count: Self.ringSize - bytes.count))
        try section.setIntegerField(prefix + "queue.rptr", to: 0)
        try section.setIntegerField(prefix + "queue.wptr", to: bytes.count)
        try section.setIntegerField(prefix + "queue.count", to: bytes.count)
    }
}

/// The common state is a structure, named by its C field.
private func commonPrefix(_ section: DeviceSection) -> String {
    section.contains("common.write_cmd") ? "common." : "parent_obj."
}

extension PS2Keyboard {
    fileprivate init(_ section: DeviceSection) throws(DeviceError) {
        let prefix = commonPrefix(section)
        queue = try PS2Queue(section, prefix)
        command = try section.integerField(prefix + "write_cmd")
        isScanning = try section.integerField("scan_enabled", as: Int32.self) != 0
        isTranslated = try section.integerField("translate", as: Int32.self) != 0
        scanCodeSet = try section.integerField("scancode_set")
        indicators = section.integerField("ps2kbd/ledstate.ledstate", default: 0)
    }

    fileprivate func save(to section: inout DeviceSection) throws(DeviceError) {
        let prefix = commonPrefix(section)
        try queue.save(to: &section, prefix)
        try section.setIntegerField(prefix + "write_cmd", to: command)
        try section.setIntegerField("scan_enabled", to: isScanning ? Int32(1) : 0)
        try section.setIntegerField("translate", to: isTranslated ? Int32(1) : 0)
        try section.setIntegerField("scancode_set", to: scanCodeSet)
        try section.setOptionalIntegerField("ps2kbd/ledstate.ledstate", to: indicators)
    }
}

extension PS2Mouse {
    fileprivate init(_ section: DeviceSection) throws(DeviceError) {
        let prefix = commonPrefix(section)
        queue = try PS2Queue(section, prefix)
        command = try section.integerField(prefix + "write_cmd")
        status = try section.integerField("mouse_status")
        resolution = try section.integerField("mouse_resolution")
        sampleRate = try section.integerField("mouse_sample_rate")
        isWrapping = try section.integerField("mouse_wrap", as: UInt8.self) != 0
        identity = try section.integerField("mouse_type")
        detection = try section.integerField("mouse_detect_state")
    }

    fileprivate func save(to section: inout DeviceSection) throws(DeviceError) {
        let prefix = commonPrefix(section)
        try queue.save(to: &section, prefix)
        try section.setIntegerField(prefix + "write_cmd", to: command)
        try section.setIntegerField("mouse_status", to: status)
        try section.setIntegerField("mouse_resolution", to: resolution)
        try section.setIntegerField("mouse_sample_rate", to: sampleRate)
        try section.setIntegerField("mouse_wrap", to: isWrapping ? UInt8(1) : 0)
        try section.setIntegerField("mouse_type", to: identity)
        try section.setIntegerField("mouse_detect_state", to: detection)
    }
}
