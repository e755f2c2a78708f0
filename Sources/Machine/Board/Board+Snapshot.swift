import PCDevices
import VMState

/// Names of QEMU's sections.
private enum SectionName {
    static let localAPIC = "apic"
    static let ioAPIC = "ioapic"
    static let controllers = "i8259"
    static let timer = "i8254"
    static let speaker = "pcspk"
    static let highPrecisionTimer = "hpet"
    static let clock = "mc146818rtc"
    static let serial = "serial"
    static let keyboard = "pckbd"
    static let keyboardKeys = "ps2kbd"
    static let mouse = "ps2mouse"
    static let power = "piix4_pm"
    static let chipset = "ICH9LPC"
    static let paravirtualClock = "kvmclock"
}

extension Board {
    /// The board of a snapshot.
    ///
    /// - Parameters:
    ///   - now: QEMU's virtual clock in the snapshot.
    ///   - seed: of the bytes that entropy devices give.
    init(_ stream: MigrationStream, processorCount: Int, now: UInt64, seed: UInt64) throws(DeviceError) {
        self.init(processorCount: processorCount)
        latest = now
        for index in 0..<processorCount {
            guard let section = stream.device(SectionName.localAPIC, UInt32(index)) else { continue }
            localAPICs[index] = try LocalAPIC(section)
        }
        if let section = stream.device(SectionName.ioAPIC) { ioAPIC = try IOAPIC(section) }
        if let primary = stream.device(SectionName.controllers, 0),
            let secondary = stream.device(SectionName.controllers, 1)
        {
            controllers = try InterruptControllerPair(primary: primary, secondary: secondary)
        }
        if let section = stream.device(SectionName.timer) {
            timer = try IntervalTimer(section, speaker: stream.device(SectionName.speaker), now: now)
        }
        highPrecisionTimer = try stream.device(SectionName.highPrecisionTimer).map { section throws(DeviceError) in
            try HPET(section, now: now)
        }
        if let section = stream.device(SectionName.clock) { clock = try RealTimeClock(section, now: now) }
        if let section = stream.device(SectionName.serial) { serial = try SerialPort(section) }
        if let section = stream.device(SectionName.keyboard), let keys = stream.device(SectionName.keyboardKeys),
            let mouse = stream.device(SectionName.mouse)
        {
            keyboard = try KeyboardController(section, keyboard: keys, mouse: mouse)
        }
        let identifiers = localAPICs.map(\.initialID)
        if let section = stream.devices(ofModel: SectionName.power).first {
            power = try PowerManagement(section, chipset: .piix4, processorIDs: identifiers)
        } else if let section = stream.devices(ofModel: SectionName.chipset).first {
            power = try PowerManagement(section, chipset: .ich9, processorIDs: identifiers)
        }
        legacy = try LegacyPorts(stream, processorCount: processorCount)
        pci = try PCIBus(stream.devices, seed: seed)
    }

    /// Writes what the devices hold over the sections of a stream.
    func save(to stream: inout MigrationStream, now: UInt64) throws {
        let isKVM = stream.device(SectionName.paravirtualClock) != nil
        for (index, apic) in localAPICs.enumerated() {
            try edit(SectionName.localAPIC, UInt32(index), of: &stream) { section throws(DeviceError) in
                try apic.save(to: &section)
            }
            // KVM keeps it with the processor (`env.mp_state`).
            if !isKVM { try stream.add(apic.neededSubsections, to: SectionName.localAPIC, UInt32(index)) }
        }
        try edit(SectionName.ioAPIC, of: &stream) { section throws(DeviceError) in try ioAPIC.save(to: &section) }
        if var primary = stream.device(SectionName.controllers, 0),
            var secondary = stream.device(SectionName.controllers, 1)
        {
            try controllers.save(toPrimary: &primary, secondary: &secondary)
            try stream.replace(primary)
            try stream.replace(secondary)
        }
        try edit(SectionName.timer, of: &stream) { section throws(DeviceError) in try timer.save(to: &section) }
        try edit(SectionName.speaker, of: &stream) { section throws(DeviceError) in
            try timer.save(toSpeaker: &section)
        }
        if let highPrecisionTimer {
            try edit(SectionName.highPrecisionTimer, of: &stream) { section throws(DeviceError) in
                try highPrecisionTimer.save(to: &section, now: now)
            }
            try stream.add(highPrecisionTimer.neededSubsections, to: SectionName.highPrecisionTimer)
        }
        try edit(SectionName.clock, of: &stream) { section throws(DeviceError) in
            try clock.save(to: &section, now: now)
        }
        try edit(SectionName.serial, of: &stream) { section throws(DeviceError) in try serial.save(to: &section) }
        if let section = stream.device(SectionName.serial) {
            try stream.add(serial.neededSubsections(section), to: SectionName.serial)
        }
        try edit(SectionName.keyboard, of: &stream) { section throws(DeviceError) in try keyboard.save(to: &section) }
        try edit(SectionName.keyboardKeys, of: &stream) { section throws(DeviceError) in
            try keyboard.save(toKeyboard: &section)
        }
        try edit(SectionName.mouse, of: &stream) { section throws(DeviceError) in
            try keyboard.save(toMouse: &section)
        }
        try stream.add(keyboard.neededSubsections, to: SectionName.keyboard)
        try stream.add(keyboard.neededKeyboardSubsections, to: SectionName.keyboardKeys)
        try legacy.save(to: &stream)
        try pci?.save(to: &stream)
        for model in [SectionName.power, SectionName.chipset] {
            guard var section = stream.devices(ofModel: model).first else { continue }
            try power.save(to: &section)
            try stream.replace(section)
        }
    }

    private func edit(
        _ name: String, _ instance: UInt32 = 0, of stream: inout MigrationStream,
        _ body: (inout DeviceSection) throws(DeviceError) -> Void
    ) throws {
        guard var section = stream.device(name, instance) else { return }
        try body(&section)
        try stream.replace(section)
    }
}

extension MigrationStream {
    /// Adds the subsections that a section has to have and lacks. A stream without the section is left alone.
    mutating func add(
        _ list: [NeededSubsection], to idstr: String, _ instanceID: UInt32 = 0
    ) throws(VMStateError) {
        for subsection in list {
            guard let section = device(idstr, instanceID), !section.contains(subsection.path) else { continue }
            try appendSubsection(
                subsection.name, version: subsection.version, fields: subsection.fields, to: idstr, instanceID,
                inside: subsection.structure)
        }
    }
}
