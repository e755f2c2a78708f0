import PCDevices
import VMState

/// The devices at fixed ports that interrupt nobody, or nearly: DMA, floppy controller without drives, VGA, firmware configuration, hot plug.
struct LegacyPorts: Sendable {
    var transfers = DMAController()
    /// Nil on a machine without one.
    var floppy: FloppyController?
    var display: VGARegisters
    var firmware: FirmwareConfiguration
    var systemControl = SystemControlPort()
    var debug = DebugPorts()

    /// Ports of the devices.
    private enum Port {
        static let systemControl: UInt16 = 0x92
        static let progress: UInt16 = 0x80
        static let console: UInt16 = 0xE9
        static let display: ClosedRange<UInt16> = 0x3B0...0x3DF
        static let floppy: ClosedRange<UInt16> = 0x3F0...0x3F7
        static let firmware: ClosedRange<UInt16> = 0x510...0x51B
    }

    init(processorCount: Int, hasDisplay: Bool = false) {
        display = VGARegisters(isPresent: hasDisplay)
        firmware = FirmwareConfiguration(processorCount: processorCount)
    }

    /// Reads a port; nil where nothing answers.
    mutating func read(_ port: UInt16, byteCount: Int) -> UInt64? {
        switch port {
        case Port.systemControl: UInt64(systemControl.read())
        case Port.display: display.read(UInt64(port), byteCount: byteCount)
        case Port.floppy: floppy?.read(UInt64(port - Port.floppy.lowerBound), byteCount: byteCount)
        case Port.firmware: firmware.read(UInt64(port - Port.firmware.lowerBound), byteCount: byteCount)
        default: DMAController.answers(port) ? transfers.read(UInt64(port), byteCount: byteCount) : nil
        }
    }

    /// Writes a port; what nothing answers is dropped.
    mutating func write(_ port: UInt16, byteCount: Int, value: UInt64) {
        switch port {
        case Port.systemControl: systemControl.write(UInt8(truncatingIfNeeded: value))
        case Port.console: debug.writeConsole(UInt8(truncatingIfNeeded: value))
        case Port.display: display.write(UInt64(port), byteCount: byteCount, value: value)
        case Port.floppy: floppy?.write(UInt64(port - Port.floppy.lowerBound), byteCount: byteCount, value: value)
        case Port.firmware:
            firmware.write(UInt64(port - Port.firmware.lowerBound), byteCount: byteCount, value: value)
        default:
            if port == Port.progress { debug.writeProgress(UInt8(truncatingIfNeeded: value)) }
            if DMAController.answers(port) { transfers.write(UInt64(port), byteCount: byteCount, value: value) }
        }
    }
}

extension LegacyPorts {
    private enum SectionName {
        static let transfers = "dma"
        static let floppy = "fdc"
        static let firmware = "fw_cfg"
        static let systemControl = "port92"
    }

    /// Reads the sections of a snapshot.
    init(_ stream: MigrationStream, processorCount: Int) throws(DeviceError) {
        // An adapter that draws has a section of its own.
        let hasDisplay = stream.devices.contains { $0.idstr.hasSuffix("vga") || $0.idstr.hasSuffix("qxl") }
        self.init(processorCount: processorCount, hasDisplay: hasDisplay)
        if let first = stream.device(SectionName.transfers, 0), let second = stream.device(SectionName.transfers, 1) {
            transfers = try DMAController(first, second)
        }
        if let section = stream.device(SectionName.floppy) { floppy = try FloppyController(section) }
        if let section = stream.device(SectionName.firmware) { try firmware.load(section) }
        if let section = stream.device(SectionName.systemControl) { systemControl = try SystemControlPort(section) }
    }

    /// Writes the devices over the sections of a stream.
    func save(to stream: inout MigrationStream) throws {
        for number in 0..<2 {
            guard var section = stream.device(SectionName.transfers, UInt32(number)) else { continue }
            try transfers.save(number, to: &section)
            try stream.replace(section)
        }
        if let floppy, var section = stream.device(SectionName.floppy) {
            try floppy.save(to: &section)
            try stream.replace(section)
        }
        if var section = stream.device(SectionName.firmware) {
            try firmware.save(to: &section)
            try stream.replace(section)
        }
        if var section = stream.device(SectionName.systemControl) {
            try systemControl.save(to: &section)
            try stream.replace(section)
        }
    }
}
