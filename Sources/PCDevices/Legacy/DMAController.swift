import VMState

/// The two DMA controllers 8237A of a PC as registers. No device of the machine asks them for a transfer.
///
/// Source: Intel 8237A data sheet. Ports: channels 0-3 at 0x00-0x0F, channels 4-7 at 0xC0-0xDF (every second port), pages at 0x80-0x8F, high pages at
/// 0x480-0x48F. Offsets are port numbers.
package struct DMAController: Sendable, Hashable {
    struct Channel: Sendable, Hashable {
        /// Present address and count of done units; base address and count.
        var present: [Int32] = [0, 0]
        var base: [UInt16] = [0, 0]
        var mode: UInt8 = 0
        var page: UInt8 = 0
        var highPage: UInt8 = 0
    }

    struct Controller: Sendable, Hashable {
        var command: UInt8 = 0
        var mask: UInt8 = 0xFF
        /// The next access is to the high byte.
        var isHighByte = false
        var status: UInt8 = 0
        var channels = Array(repeating: Channel(), count: 4)
    }

    var controllers = [Controller(), Controller()]
    /// Page ports that belong to no channel.
    private var sparePages: [UInt8] = Array(repeating: 0, count: 16)

    /// As after reset.
    package init() {}

    /// Ports that this device answers.
    package static func answers(_ port: UInt16) -> Bool {
        switch port {
        case 0x00...0x0F, 0x81...0x8F, 0xC0...0xDF, 0x480...0x48F: true
        default: false
        }
    }

    /// Channel of a page register; nil for a spare one.
    private static func channel(ofPage port: UInt64) -> (controller: Int, channel: Int)? {
        let channels: [UInt64: Int] = [7: 0, 3: 1, 1: 2, 2: 3]
        return channels[port & 7].map { (port & 8 != 0 ? 1 : 0, $0) }
    }

    package mutating func read(_ port: UInt64, byteCount: Int) -> UInt64 {
        ByteAccess.read(port, byteCount: byteCount) { port in
            switch port {
            case 0x00...0x0F: readRegister(0, Int(port))
            case 0xC0...0xDF: readRegister(1, Int(port - 0xC0) / 2)
            case 0x81...0x8F:
                Self.channel(ofPage: port).map { controllers[$0.controller].channels[$0.channel].page }
                    ?? sparePages[Int(port & 15)]
            case 0x480...0x48F:
                Self.channel(ofPage: port).map { controllers[$0.controller].channels[$0.channel].highPage } ?? 0
            default: nil
            }
        }
    }

    package mutating func write(_ port: UInt64, byteCount: Int, value: UInt64) {
        ByteAccess.write(port, byteCount: byteCount, value: value) { port, byte in
            switch port {
            case 0x00...0x0F: writeRegister(0, Int(port), byte)
            case 0xC0...0xDF: writeRegister(1, Int(port - 0xC0) / 2, byte)
            case 0x81...0x8F:
                guard let place = Self.channel(ofPage: port) else {
                    sparePages[Int(port & 15)] = byte
                    return
                }
                controllers[place.controller].channels[place.channel].page = byte
            case 0x480...0x48F:
                if let place = Self.channel(ofPage: port) {
                    controllers[place.controller].channels[place.channel].highPage = byte
                }
            default: break
            }
        }
    }

    /// Registers 0-7 are address and count of each channel, low byte first; 8 is the status, 15 the mask.
    private mutating func readRegister(_ number: Int, _ register: Int) -> UInt8 {
        switch register {
        case 0..<8:
            let channel = controllers[number].channels[register / 2]
            let isHigh = controllers[number].isHighByte
            controllers[number].isHighByte.toggle()
            // Addresses of 16-bit channels are in words.
            let done = channel.present[1] >> Int32(number)
            let start = channel.present[0] >> Int32(number)
            let value =
                register & 1 == 1
                ? Int32(channel.base[1]) &- done : channel.mode & 0x20 != 0 ? start &- done : start &+ done
            return UInt8(truncatingIfNeeded: isHigh ? value >> 8 : value)
        case 8:
            defer { controllers[number].status &= 0xF0 }
            return controllers[number].status
        case 15: return controllers[number].mask
        default: return 0
        }
    }

    private mutating func writeRegister(_ number: Int, _ register: Int, _ byte: UInt8) {
        let bit: UInt8 = 1 << (byte & 3)
        switch register {
        case 0..<8:
            let (channel, part) = (register / 2, register & 1)
            let old = controllers[number].channels[channel].base[part]
            let isHigh = controllers[number].isHighByte
            controllers[number].isHighByte.toggle()
            let new = isHigh ? old & 0x00FF | UInt16(byte) << 8 : old & 0xFF00 | UInt16(byte)
            controllers[number].channels[channel].base[part] = new
            // A complete base starts the channel anew.
            if isHigh {
                let address = Int32(controllers[number].channels[channel].base[0]) << Int32(number)
                controllers[number].channels[channel].present = [address, 0]
            }
        case 8: controllers[number].command = byte
        case 9:
            if byte & 4 != 0 {
                controllers[number].status |= bit << 4
            } else {
                controllers[number].status &= ~(bit << 4)
            }
        case 10: if byte & 4 != 0 { controllers[number].mask |= bit } else { controllers[number].mask &= ~bit }
        case 11: controllers[number].channels[Int(byte & 3)].mode = byte
        case 12: controllers[number].isHighByte = false
        case 13:
            controllers[number].isHighByte = false
            controllers[number].mask = 0xFF
            controllers[number].status = 0
            controllers[number].command = 0
        case 14: controllers[number].mask = 0
        case 15: controllers[number].mask = byte
        default: break
        }
    }
}

extension DMAController {
    /// Reads sections `dma` 0 and 1.
    package init(_ first: DeviceSection, _ second: DeviceSection) throws(DeviceError) {
        for (number, section) in [first, second].enumerated() {
            controllers[number].command = try section.integerField("command")
            controllers[number].mask = try section.integerField("mask")
            controllers[number].isHighByte = try section.integerField("flip_flop", as: UInt8.self) & 1 != 0
            for index in 0..<4 {
                let prefix = "regs[\(index)]."
                var channel = Channel()
                for part in 0..<2 {
                    channel.present[part] = try section.integerField("\(prefix)now[\(part)]")
                    channel.base[part] = try section.integerField("\(prefix)base[\(part)]")
                }
                channel.mode = try section.integerField(prefix + "mode")
                channel.page = try section.integerField(prefix + "page")
                channel.highPage = try section.integerField(prefix + "pageh")
                controllers[number].channels[index] = channel
            }
        }
    }

    /// Overwrites section `dma` of a controller (0 or 1).
    package func save(_ number: Int, to section: inout DeviceSection) throws(DeviceError) {
        guard controllers.indices.contains(number) else { return }
        let controller = controllers[number]
        try section.setIntegerField("command", to: controller.command)
        try section.setIntegerField("mask", to: controller.mask)
        try section.setIntegerField("flip_flop", to: controller.isHighByte ? UInt8(1) : 0)
        for (index, channel) in controller.channels.enumerated() {
            let prefix = "regs[\(index)]."
            for part in 0..<2 {
                try section.setIntegerField("\(prefix)now[\(part)]", to: channel.present[part])
                try section.setIntegerField("\(prefix)base[\(part)]", to: channel.base[part])
            }
            try section.setIntegerField(prefix + "mode", to: channel.mode)
            try section.setIntegerField(prefix + "page", to: channel.page)
            try section.setIntegerField(prefix + "pageh", to: channel.highPage)
        }
    }
}
