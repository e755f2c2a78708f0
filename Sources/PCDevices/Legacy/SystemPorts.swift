import VMState

/// Port 0x92: fast A20 gate and fast reset (IBM PS/2 system control port A).
package struct SystemControlPort: Sendable, Hashable {
    private var value: UInt8 = 0
    private var isResetRequested = false

    /// As after power-on.
    package init() {}

    /// Reads section `port92`.
    package init(_ section: DeviceSection) throws(DeviceError) { value = try section.integerField("outport") }

    /// Overwrites section `port92`.
    package func save(to section: inout DeviceSection) throws(DeviceError) {
        try section.setIntegerField("outport", to: value)
    }

    /// The address line 20 is open. On a PC it is open if this or the keyboard controller says so.
    package var isA20Enabled: Bool { value & 2 != 0 }

    package func read() -> UInt8 { value }

    /// Bit 1 opens A20, a rising bit 0 resets.
    package mutating func write(_ value: UInt8) {
        if ~self.value & value & 1 != 0 { isResetRequested = true }
        self.value = value
    }

    /// The guest has asked for a reset since the last call.
    package mutating func takeResetRequest() -> Bool {
        defer { isResetRequested = false }
        return isResetRequested
    }
}

/// Port 0x80, where firmware writes its progress, and port 0xE9, Bochs' console.
package struct DebugPorts: Sendable, Hashable {
    /// Output that nobody takes is kept up to here, then dropped.
    package static let outputLimit = 1 << 16

    /// What was written to port 0x80 last.
    package private(set) var progress: UInt8 = 0
    private var output: [UInt8] = []

    package init() {}

    package mutating func writeProgress(_ value: UInt8) { progress = value }

    package mutating func writeConsole(_ byte: UInt8) {
        if output.count < Self.outputLimit { output.append(byte) }
    }

    /// What came through port 0xE9 since the last call. The port reads ones: QEMU has the console only when asked for.
    package mutating func takeOutput() -> [UInt8] {
        defer { output = [] }
        return output
    }
}
