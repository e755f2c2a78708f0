import PCDevices

/// What a hostile guest does to the devices of a machine, made from arbitrary bytes: ports, registers in memory, rings in RAM, time.
///
/// For tests and the fuzzer: nothing of it may trap, run for ever, or leave a deadline that has passed.
package struct DeviceExercise {
    /// Bytes of one action.
    package static let actionByteCount = 8
    /// Actions of one exercise at most.
    package static let actionLimit = 4096
    /// Where the rings of virtio devices are put; below the end of the smallest RAM that makes sense.
    package static let rings: UInt64 = 0x10_0000

    private let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// First ports of the devices that are at the same place on every PC.
    private static let ports: [UInt16] = [
        0x00, 0x20, 0x40, 0x60, 0x70, 0x80, 0x92, 0xA0, 0xB2, 0xC0, 0xCF8, 0xCFC, 0x3B0, 0x3D0, 0x3F0, 0x3F8, 0x4D0,
        0x510, 0x600, 0xA00, 0xAE00, 0xAF00, 0xAFE0, 0xB000, 0xC000, 0xC040, 0xC080, 0xC0C0, 0xC100, 0xC140, 0xCC0,
        0xCD8,
    ]
    /// Registers in memory: local APIC, IOAPIC, HPET, configuration space, message-signalled interrupts, base addresses, VGA.
    private static let places: [UInt64] = [
        0xFEE0_0000, 0xFEC0_0000, 0xFED0_0000, 0xB000_0000, 0xFEE1_2000, 0xFEB0_0000, 0xFEB8_0000, 0xFEBF_0000,
        0xFE00_0000, 0xFE00_4000, 0xFE00_8000, 0xFE00_C000, 0xE000_0000, 0xFED1_C000, 0xA_0000, 0x1_0000_0000,
    ]

    private struct Action {
        let kind: UInt8
        let place: UInt8
        let offset: UInt64
        let value: UInt64
        let byteCount: Int
        let isWrite: Bool

        init(_ bytes: ArraySlice<UInt8>) {
            let list = Array(bytes)
            kind = list[0] & 7
            isWrite = list[0] & 8 != 0
            byteCount = 1 << Int(list[0] >> 4 & 3)
            place = list[1]
            offset = UInt64(list[2]) | UInt64(list[3]) << 8
            let low = list[4..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            // The upper half of the eight bytes repeats the lower one.
            value = byteCount == 8 ? low | low << 32 : low
        }
    }

    /// Does everything, on the active processor.
    ///
    /// - Returns: what is wrong with the machine afterwards, nil for nothing.
    package func run(on machine: Machine) -> String? {
        var rest = bytes[...]
        var count = 0
        while rest.count >= Self.actionByteCount, count < Self.actionLimit {
            let action = Action(rest.prefix(Self.actionByteCount))
            rest = rest.dropFirst(Self.actionByteCount)
            count += 1
            perform(action, on: machine)
            if let deadline = machine.board.deadline, deadline <= machine.board.latest, machine.board.latest < 1 << 62 {
                // Local APICs have a time of their own, which `advance` brings up.
                machine.board.advance(to: machine.board.latest)
                if let again = machine.board.deviceDeadline, again <= machine.board.latest {
                    return "a device's deadline \(again) does not lie behind \(machine.board.latest)"
                }
            }
        }
        return nil
    }

    private func perform(_ action: Action, on machine: Machine) {
        switch action.kind {
        case 0, 1:
            accessPort(Self.ports[Int(action.place) % Self.ports.count] &+ UInt16(action.offset & 63), action, machine)
        case 2: accessPort(UInt16(truncatingIfNeeded: action.offset), action, machine)
        case 3, 4:
            access(Self.places[Int(action.place) % Self.places.count] + (action.offset & 0x3FFF), action, machine)
        case 5: fillRing(action, machine)
        case 6: start(action, machine)
        default: pass(action, machine)
        }
        machine.board.propagate()
        _ = machine.board.takeExit()
        for index in machine.processors.indices { takeInterrupts(index, machine) }
    }

    private func accessPort(_ port: UInt16, _ action: Action, _ machine: Machine) {
        let count = min(action.byteCount, 4)
        if action.isWrite {
            _ = machine.writePort(port, byteCount: count, value: action.value & Machine.mask(count))
        } else {
            _ = machine.readPort(port, byteCount: count)
        }
    }

    /// Accesses of any alignment do not cross a page, as those of guests.
    private func access(_ address: UInt64, _ action: Action, _ machine: Machine) {
        let count = min(action.byteCount, 4096 - Int(address & 4095))
        if action.isWrite {
            try? machine.deviceWrite(address, byteCount: count, value: action.value & Machine.mask(count))
        } else {
            _ = try? machine.deviceRead(address, byteCount: count)
        }
    }

    /// A descriptor, or an index of a ring: addresses are near the rings, flags and lengths what they are.
    private func fillRing(_ action: Action, _ machine: Machine) {
        let place = Self.rings + (action.offset & 0x3FFF)
        let word = action.value
        var bytes: [UInt8]
        if action.isWrite {
            // Address, length, flags, next.
            let target = Self.rings + (word & 0xFFF0)
            bytes = (0..<8).map { UInt8(truncatingIfNeeded: target >> UInt64($0 * 8)) }
            bytes += [UInt8(truncatingIfNeeded: word >> 16), UInt8(truncatingIfNeeded: word >> 29), 0, 0]
            bytes += [UInt8(truncatingIfNeeded: word >> 24) & 7, 0, action.place & 15, 0]
        } else {
            bytes = (0..<action.byteCount).map { UInt8(truncatingIfNeeded: word >> UInt64($0 % 4 * 8)) }
        }
        try? machine.writePhysical(place & ~UInt64(bytes.count - 1), bytes)
    }

    /// Maps a PCI function, switches it on, and starts it as a legacy or modern virtio driver would.
    private func start(_ action: Action, _ machine: Machine) {
        let slot = UInt64(action.place & 31)
        func configure(_ offset: UInt64, _ value: UInt64) {
            _ = machine.writePort(0xCF8, byteCount: 4, value: 0x8000_0000 | slot << 11 | offset)
            _ = machine.writePort(0xCFC, byteCount: 4, value: value)
        }
        let port = 0xC000 + slot % 6 * 0x40
        let memory = 0xFE00_0000 + slot % 4 * 0x4000
        configure(0x10, port)
        configure(0x14, memory + 0x1000)
        configure(0x20, memory)
        configure(4, 7)
        let base = UInt16(truncatingIfNeeded: port)
        if action.isWrite {
            for (offset, count, value) in [
                (18, 1, 0), (18, 1, 3), (4, 4, action.value), (14, 2, action.offset & 3), (8, 4, Self.rings >> 12),
                (18, 1, 7), (16, 2, action.offset & 3),
            ] as [(UInt16, Int, UInt64)] {
                _ = machine.writePort(base &+ offset, byteCount: count, value: value)
            }
        } else {
            for (offset, count, value) in [
                (0x14, 1, 0), (0x14, 1, 3), (8, 4, 1), (0x0C, 4, 1), (0x14, 1, 11), (0x16, 2, action.offset & 3),
                (0x20, 8, Self.rings), (0x28, 8, Self.rings + 0x1000), (0x30, 8, Self.rings + 0x2000), (0x1C, 2, 1),
                (0x14, 1, 15), (0x3000, 2, action.offset & 3),
            ] as [(UInt64, Int, UInt64)] {
                try? machine.deviceWrite(memory + offset, byteCount: count, value: value)
            }
        }
    }

    /// Lets time pass: from nanoseconds to centuries.
    private func pass(_ action: Action, _ machine: Machine) {
        let now = machine.board.latest
        let sum = now.addingReportingOverflow(action.value << UInt64(action.place & 31))
        let time = sum.overflow ? UInt64.max >> 1 : min(sum.partialValue, UInt64.max >> 1)
        machine.processor.waitUntil(time, machine.options)
        machine.board.advance(to: time)
    }

    /// Takes what a processor would take, so that interrupts go on coming.
    private func takeInterrupts(_ index: Int, _ machine: Machine) {
        if machine.board.localAPICs[index].takeInitialize() || machine.board.localAPICs[index].takeStartUp() != nil {
            return
        }
        machine.board.localAPICs[index].isNMIPending = false
        if machine.board.hasExternalInterrupt(forProcessor: index) {
            _ = machine.board.acknowledgeExternalInterrupt(forProcessor: index)
        } else {
            _ = machine.board.localAPICs[index].acknowledge()
        }
    }
}
