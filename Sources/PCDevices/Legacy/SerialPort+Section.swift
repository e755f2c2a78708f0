import VMState

extension SerialPort {
    /// The fields of an ISA port lie in a structure `state`; others have them at the top.
    private static func prefix(_ section: DeviceSection) -> String { section.contains("state.rbr") ? "state." : "" }

    /// What the section has to have beside its fields.
    package func neededSubsections(_ section: DeviceSection) -> [NeededSubsection] {
        let structure = Self.prefix(section).isEmpty ? nil : "state"
        func subsection(_ name: String, _ fields: [SubsectionField]) -> NeededSubsection {
            NeededSubsection("serial/" + name, inside: structure, fields: fields)
        }
        var list: [NeededSubsection] = []
        // Without it QEMU takes the transmitter's interrupt for pending when the identification register says so.
        if interruptEnable & Enable.transmitter != 0, isTransmitterPending != (cause == .transmitterEmpty) {
            list.append(
                subsection(
                    "thr_ipending", [.int32("thr_ipending", isTransmitterPending ? 1 : 0)]))
        }
        if !received.isEmpty {
            let padding = Array(repeating: UInt8(0), count: max(0, Self.fifoSize - received.count))
            let fields: [SubsectionField] = [
                .buffer("data", Array((received + padding).prefix(Self.fifoSize))),
                .integer("head", "uint32", UInt32(0)),
                .integer("num", "uint32", UInt32(min(received.count, Self.fifoSize))),
            ]
            list.append(subsection("recv_fifo", [.structure("recv_fifo", "Fifo8", fields)]))
        }
        if let timeout {
            list.append(subsection("fifo_timeout_timer", [.integer("fifo_timeout_timer", "timer", timeout)]))
        }
        if isTimeoutPending { list.append(subsection("timeout_ipending", [.int32("timeout_ipending", 1)])) }
        return list
    }

    /// Reads section `serial`. A byte that the transmitter could not get rid of goes to the output.
    package init(_ section: DeviceSection) throws(DeviceError) {
        let prefix = Self.prefix(section)
        divisor = try section.integerField(prefix + "divider")
        receiverBuffer = try section.integerField(prefix + "rbr")
        interruptEnable = try section.integerField(prefix + "ier", as: UInt8.self) & 0x0F
        let identification = try section.integerField(prefix + "iir", as: UInt8.self)
        lineControl = try section.integerField(prefix + "lcr")
        modemControl = try section.integerField(prefix + "mcr", as: UInt8.self) & 0x1F
        lineStatus = try section.integerField(prefix + "lsr", as: UInt8.self) | Line.transmitterEmpty
        modemStatus = try section.integerField(prefix + "msr")
        scratch = try section.integerField(prefix + "scr")
        fifoControl = section.integerField(prefix + "fcr_vmstate", default: UInt8(0)) & FIFO.kept
        let isTransmitterCause = identification & 0x0F == Cause.transmitterEmpty.rawValue
        isTransmitterPending =
            section.integerField(
                prefix + "serial/thr_ipending.thr_ipending", default: isTransmitterCause ? Int32(1) : 0) != 0
        isTimeoutPending =
            section.integerField(prefix + "serial/timeout_ipending.timeout_ipending", default: Int32(0)) != 0
        let expiry = section.integerField(
            prefix + "serial/fifo_timeout_timer.fifo_timeout_timer", default: UInt64.max)
        timeout = expiry == .max ? nil : expiry
        received = try Self.queue(section, prefix + "serial/recv_fifo.recv_fifo.")
        output = try Self.queue(section, prefix + "serial/xmit_fifo.xmit_fifo.")
        if !output.isEmpty { isTransmitterPending = true }
    }

    /// The contents of one of QEMU's FIFOs: a ring of 16 bytes.
    private static func queue(_ section: DeviceSection, _ prefix: String) throws(DeviceError) -> [UInt8] {
        guard let ring = try section.bufferField(prefix + "data", count: fifoSize) else { return [] }
        let head = try section.integerField(prefix + "head", as: UInt32.self)
        let count = try section.integerField(prefix + "num", as: UInt32.self)
        guard head < fifoSize, count <= fifoSize else {
            throw DeviceError(.malformed, "section \(section.name): field \(prefix)num or head is beyond the FIFO")
        }
        return (0..<Int(count)).map { ring[(Int(head) + $0) % fifoSize] }
    }

    /// Overwrites section `serial`. What it has no room for is in ``neededSubsections(_:)``.
    package func save(to section: inout DeviceSection) throws(DeviceError) {
        let prefix = Self.prefix(section)
        try section.setIntegerField(prefix + "divider", to: divisor)
        try section.setIntegerField(prefix + "rbr", to: receiverBuffer)
        try section.setIntegerField(prefix + "ier", to: interruptEnable)
        try section.setIntegerField(prefix + "iir", to: cause.rawValue | (hasFIFO ? 0xC0 : 0))
        try section.setIntegerField(prefix + "lcr", to: lineControl)
        try section.setIntegerField(prefix + "mcr", to: modemControl)
        try section.setIntegerField(prefix + "lsr", to: lineStatus)
        try section.setIntegerField(prefix + "msr", to: modemStatus)
        try section.setIntegerField(prefix + "scr", to: scratch)
        try section.setOptionalIntegerField(prefix + "fcr_vmstate", to: fifoControl)
        try section.setOptionalIntegerField(
            prefix + "serial/thr_ipending.thr_ipending", to: isTransmitterPending ? Int32(1) : 0)
        try section.setOptionalIntegerField(
            prefix + "serial/timeout_ipending.timeout_ipending", to: isTimeoutPending ? Int32(1) : 0)
        try section.setOptionalIntegerField(
            prefix + "serial/fifo_timeout_timer.fifo_timeout_timer", to: timeout ?? .max)
        try Self.saveQueue(received, to: &section, prefix + "serial/recv_fifo.recv_fifo.")
        // Output is the board's: it has been sent.
        try Self.saveQueue([], to: &section, prefix + "serial/xmit_fifo.xmit_fifo.")
    }

    private static func saveQueue(
        _ bytes: [UInt8], to section: inout DeviceSection, _ prefix: String
    ) throws(DeviceError) {
        guard section.contains(prefix + "data") else { return }
        if try queue(section, prefix) == bytes { return }
        let padding = Array(repeating: UInt8(0), count: max(0, fifoSize - bytes.count))
        try section.setOptionalBufferField(prefix + "data", to: Array((bytes + padding).prefix(fifoSize)))
        try section.setIntegerField(prefix + "head", to: 0)
        try section.setIntegerField(prefix + "num", to: min(bytes.count, fifoSize))
    }
}
