import PCDevices
import X86

// The I/O address space of QEMU's pc and q35.
extension Machine {
    /// Ports of the board's own devices; the PCI bus's move.
    enum Port {
        static let primaryController: ClosedRange<UInt16> = 0x20...0x21
        static let timer: ClosedRange<UInt16> = 0x40...0x43
        static let keyboardData: UInt16 = 0x60
        static let speaker: UInt16 = 0x61
        static let keyboardCommand: UInt16 = 0x64
        static let clock: ClosedRange<UInt16> = 0x70...0x71
        static let secondaryController: ClosedRange<UInt16> = 0xA0...0xA1
        static let serial: ClosedRange<UInt16> = 0x3F8...0x3FF
        static let triggers: ClosedRange<UInt16> = 0x4D0...0x4D1
    }

    /// Port input. Ports without a device read all ones.
    package func readPort(_ port: UInt16, byteCount: Int) -> UInt64 {
        deviceAccessCount &+= 1
        let now = board.deviceTime(processor.time(options))
        switch port {
        case Port.serial:
            defer { afterDeviceAccess() }
            return board.serial.read(UInt64(port - Port.serial.lowerBound), byteCount: byteCount, now: now)
        case Port.timer: return board.timer.read(UInt64(port - Port.timer.lowerBound), byteCount: byteCount, now: now)
        case Port.speaker: return UInt64(board.timer.readSpeaker(now: now))
        case Port.clock:
            defer { afterDeviceAccess() }
            return board.clock.read(UInt64(port - Port.clock.lowerBound), byteCount: byteCount, now: now)
        case Port.primaryController, Port.secondaryController, Port.triggers:
            defer { afterDeviceAccess() }
            return board.controllers.read(port, byteCount: byteCount, now: now)
        case Port.keyboardData, Port.keyboardCommand:
            defer { afterDeviceAccess() }
            return board.keyboard.read(UInt64(port - Port.keyboardData), byteCount: byteCount)
        default: return readMovablePort(port, byteCount: byteCount, now: now)
        }
    }

    private func readMovablePort(_ port: UInt16, byteCount: Int, now: UInt64) -> UInt64 {
        if let value = board.readChipset(port, byteCount: byteCount, now: now) {
            afterDeviceAccess()
            return value
        }
        if board.pci?.claims(port: port, byteCount: byteCount) == true {
            defer { afterDeviceAccess() }
            return board.pci?.readPort(port, byteCount: byteCount, now: now) ?? 0
        }
        return board.legacy.read(port, byteCount: byteCount) ?? Self.mask(byteCount)
    }

    /// Port output. Returns an exit when the guest switches itself off.
    package func writePort(_ port: UInt16, byteCount: Int, value: UInt64) -> Exit? {
        let now = board.deviceTime(processor.time(options))
        switch port {
        case Port.serial:
            board.serial.write(UInt64(port - Port.serial.lowerBound), byteCount: byteCount, value: value, now: now)
        case Port.timer:
            board.timer.write(UInt64(port - Port.timer.lowerBound), byteCount: byteCount, value: value, now: now)
        case Port.speaker: board.timer.writeSpeaker(UInt8(truncatingIfNeeded: value), now: now)
        case Port.clock:
            board.clock.write(UInt64(port - Port.clock.lowerBound), byteCount: byteCount, value: value, now: now)
        case Port.primaryController, Port.secondaryController, Port.triggers:
            board.controllers.write(port, byteCount: byteCount, value: value, now: now)
        case Port.keyboardData, Port.keyboardCommand:
            board.keyboard.write(UInt64(port - Port.keyboardData), byteCount: byteCount, value: value)
            if board.keyboard.takeResetRequest() {
                board.end(.shutdown(reason: "reset through the keyboard controller"))
            }
        default: writeMovablePort(port, byteCount: byteCount, value: value, now: now)
        }
        afterDeviceAccess()
        return options.deliversInterrupts ? nil : board.takeExit()
    }

    private func writeMovablePort(_ port: UInt16, byteCount: Int, value: UInt64, now: UInt64) {
        if board.writeChipset(port, byteCount: byteCount, value: value, now: now) { return }
        if board.pci?.claims(port: port, byteCount: byteCount) == true {
            var memory = DeviceMemory(self)
            board.pci?.writePort(port, byteCount: byteCount, value: value, now: now, memory: &memory)
        } else {
            board.legacy.write(port, byteCount: byteCount, value: value)
            if board.legacy.systemControl.takeResetRequest() { board.end(.shutdown(reason: "reset through port 0x92")) }
            if board.legacy.firmware.needsTransfer {
                var memory = DeviceMemory(self)
                board.legacy.firmware.transfer(memory: &memory)
            }
        }
    }
}
