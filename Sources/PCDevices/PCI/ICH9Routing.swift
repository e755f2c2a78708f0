/// Interrupt routing of the ICH9: device interrupt route registers in the chip configuration, and PIRQ routing in the LPC
/// function (Intel I/O Controller Hub 9 data sheet, 10.1.42 and 13.1.17).
struct ICH9Routing: Sendable, Hashable {
    static let byteCount = 16384

    /// The chip configuration registers (RCBA window).
    private(set) var registers: [UInt8]

    /// Offsets of the interrupt route registers of devices 25 to 31 (D25IR to D31IR). Device 30 has none.
    private static let routes: [UInt8: Int] = [
        25: 0x3150, 26: 0x314C, 27: 0x3148, 28: 0x3146, 29: 0x3144, 31: 0x3140,
    ]

    /// - Parameter registers: 16384 bytes, else all are zero.
    init(registers: [UInt8]) {
        self.registers = registers.count == Self.byteCount ? registers : [UInt8](repeating: 0, count: Self.byteCount)
    }

    /// PIRQ (0 for A to 7 for H) of a pin of a device on the root bus. Devices that are none of the ICH9 are wired by the board, as
    /// QEMU's: INTA of device n to PIRQ[E + n mod 4].
    func line(device: UInt8, pin: Int) -> Int {
        if device == 30 { return pin + 4 }
        guard let offset = Self.routes[device] else { return (Int(device) + pin) % 4 + 4 }
        let route = UInt16(registers[offset]) | UInt16(registers[offset + 1]) << 8
        return Int(route >> UInt16(4 * pin) & 7)
    }

    /// ISA interrupt of a PIRQ by the LPC function's routing registers (bit 7: not routed); nil for none.
    static func isaLine(_ line: Int, _ configuration: PCIConfigurationSpace) -> Int? {
        let offset = line < 4 ? 0x60 + line : 0x68 + line - 4
        let route = configuration.read(offset, byteCount: 1)
        return route & 0x80 == 0 ? Int(route & 15) : nil
    }

    func read(_ offset: UInt64, byteCount: Int) -> UInt64 {
        (0..<min(max(byteCount, 0), 8)).reduce(0) { value, index in
            let place = Int(truncatingIfNeeded: offset & 0x3FFF) + index
            return place < registers.count ? value | UInt64(registers[place]) << UInt64(8 * index) : value
        }
    }

    mutating func write(_ offset: UInt64, byteCount: Int, value: UInt64) {
        for index in 0..<min(max(byteCount, 0), 8) {
            let place = Int(truncatingIfNeeded: offset & 0x3FFF) + index
            if place < registers.count { registers[place] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
        }
    }
}
