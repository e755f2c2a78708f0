import X86

/// The devices of the machine as values: enough for kernel code that touches them to go on, without interrupts.
package struct Devices: Sendable {
    package var serial = SerialPort()
    /// One register file of 256 32-bit registers per processor (offset / 16).
    package var localAPICs: [[UInt32]]
    package var ioAPIC = IOAPIC()
    /// General configuration register of the HPET.
    var timerConfiguration: UInt64 = 0

    init(processorCount: Int) {
        localAPICs = (0..<processorCount).map { index in
            var registers = Array(repeating: UInt32(0), count: 256)
            registers[0x02] = UInt32(index) << 24
            registers[0x03] = 0x0005_0014
            registers[0x0E] = 0xFFFF_FFFF
            registers[0x0F] = 0xFF
            for vector in 0x32...0x37 { registers[vector] = 0x1_0000 }
            return registers
        }
    }
}

/// The 16550 on 0x3F8: output is collected, input never comes, the transmitter is always ready.
package struct SerialPort: Sendable {
    /// Everything that the guest has sent.
    package var output: [UInt8] = []
    private var registers: [UInt8] = [0, 0, 1, 0, 0, 0, 0, 0]
    private var divisor: [UInt8] = [1, 0]

    /// Line control register bit 7: the divisor is visible in registers 0 and 1.
    private var isDivisorVisible: Bool { registers[3] & 0x80 != 0 }

    mutating func write(_ register: Int, _ value: UInt8) {
        switch register {
        case 0, 1:
            if isDivisorVisible {
                divisor[register] = value
            } else if register == 0 {
                output.append(value)
            } else {
                registers[1] = value & 0x0F
            }
        case 5, 6: break
        default: registers[register] = value
        }
    }

    mutating func read(_ register: Int) -> UInt8 {
        switch register {
        case 0: isDivisorVisible ? divisor[0] : 0
        case 1: isDivisorVisible ? divisor[1] : registers[1]
        // Interrupt identification: transmitter empty when its interrupt is enabled, else none; FIFOs as FCR says.
        case 2: (registers[1] & 2 != 0 ? 0x02 : 0x01) | (registers[2] & 1 != 0 ? 0xC0 : 0)
        // Line status: transmitter and holding register empty, no data.
        case 5: 0x60
        // Modem status: DCD, DSR, CTS.
        case 6: 0xB0
        default: registers[register]
        }
    }
}

/// The IOAPIC's register window: kept, without effect.
package struct IOAPIC: Sendable {
    private var select: UInt32 = 0
    private var registers: [UInt32] = {
        var initial = Array(repeating: UInt32(0), count: 64)
        initial[1] = 0x0017_0020
        for entry in 0..<24 { initial[0x10 + entry * 2] = 0x1_0000 }
        return initial
    }()

    mutating func read(_ offset: UInt64) -> UInt32 {
        switch offset {
        case 0: select
        case 0x10: registers[Int(select & 63)]
        default: 0
        }
    }

    mutating func write(_ offset: UInt64, _ value: UInt32) {
        switch offset {
        case 0: select = value & 0xFF
        case 0x10: if select != 1 { registers[Int(select & 63)] = value }
        default: break
        }
    }
}
