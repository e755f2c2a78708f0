/// The way of INTx lines: from a function's pin over bridges to a PIRQ of the south bridge, and from there to interrupt controllers.
extension PCIBus {
    /// Computes the levels of the interrupt lines anew.
    mutating func routeInterrupts() {
        var lines: UInt32 = 0
        for index in functions.indices {
            guard let pin = functions[index].assertedPin, let line = line(functions[index].address, pin) else {
                continue
            }
            lines |= globalLines(line)
        }
        interruptLines = lines
    }

    /// PIRQ number (0 for A) of a function's pin.
    func line(_ address: PCIAddress, _ pin: Int) -> Int? {
        var pin = pin
        var path = address.path
        // Behind a bridge, pin n of device d is pin n + d of the bridge (PCI-to-PCI Bridge 1.2, 9.1).
        while path.count > 1, let last = path.popLast() { pin = (pin + Int(last >> 3)) & 3 }
        guard let root = path.first else { return nil }
        if let ich9, case .ich9(let routing) = functions[ich9].device {
            return routing.line(device: root >> 3, pin: pin)
        }
        // QEMU's pc: device 1 is the south bridge, its INTA is PIRQA.
        return piix3 == nil ? nil : (pin + Int(root >> 3) + 3) & 3
    }

    /// The global interrupt lines of a PIRQ, as bits.
    private func globalLines(_ line: Int) -> UInt32 {
        if let ich9 {
            // PIRQA-H are the IOAPIC's inputs 16 to 23, and an ISA interrupt where the LPC function routes them to one.
            let isa = ICH9Routing.isaLine(line, functions[ich9].configuration).map { UInt32(1) << UInt32($0) } ?? 0
            return UInt32(1) << UInt32(16 + line & 31) | isa
        }
        guard let piix3 else { return 0 }
        // PIRQRC[A:D] (82371SB, 2.2.7): bit 7 disables; QEMU takes any value below 16 as an interrupt.
        let route = functions[piix3].configuration.read(0x60 + line, byteCount: 1)
        return route < 16 ? 1 << UInt32(route) : 0
    }
}
