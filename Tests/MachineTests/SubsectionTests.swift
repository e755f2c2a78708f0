import Machine
import PCDevices
import Testing
import VMState
import X86

/// State that QEMU keeps in subsections which the loaded stream lacks, because it had its usual value then: added when it is saved, loaded
/// by QEMU, and still there when QEMU saves it.
@Suite(.serialized) struct SubsectionTests {
    /// Paths of the subsections in a section.
    private func subsections(_ stream: MigrationStream, _ idstr: String, _ instance: UInt32 = 0) -> [String] {
        stream.description?.device(idstr, instance)?.subsections ?? []
    }

    private func unsigned(
        _ stream: MigrationStream, _ idstr: String, _ path: String, _ instance: UInt32 = 0
    ) throws -> UInt64 {
        try #require(stream.device(idstr, instance)).unsigned(path)
    }

    /// A machine whose processors and devices are as `change` leaves them, saved over the stream; then what QEMU makes of it.
    private func saved(
        _ change: (Machine) throws -> Void
    ) throws -> (saved: MigrationStream, again: MigrationStream, machine: Machine) {
        let (stream, pages) = try QEMUStreams.make(QEMUStreams.pc)
        let machine = try stream.machine()
        // Nothing is added while nothing has happened.
        let untouched = try machine.save(over: stream)
        for (device, other) in zip(stream.devices, untouched.devices) {
            #expect(
                subsections(stream, device.idstr, device.instanceID)
                    == subsections(untouched, other.idstr, other.instanceID))
        }
        try change(machine)
        let saved = try machine.save(over: stream)
        #expect(try MigrationStream(skeleton: saved.skeleton()).devices == saved.devices)
        return (saved, try QEMUStreams.reload(saved, pages, QEMUStreams.pc), machine)
    }

    @Test func protectionKeysAndRegisters() throws {
        let (stream, again, machine) = try saved { machine in
            var state = machine.processors[1].save()
            state.protectionKeys = 0x5555_5554
            state.timeStampAdjust = 0x1234
            state.otherMSRs[0xDA0] = 0
            state.otherMSRs[0x48] = 1
            try machine.processors[1].load(state)
        }
        #expect(subsections(stream, "cpu", 0).allSatisfy { $0 != "cpu/pkru" })
        for stream in [stream, again] {
            #expect(try unsigned(stream, "cpu", "cpu/pkru.env.pkru", 1) == 0x5555_5554)
            #expect(try unsigned(stream, "cpu", "cpu/msr_tsc_adjust.env.tsc_adjust", 1) == 0x1234)
            #expect(try unsigned(stream, "cpu", "cpu/spec_ctrl.env.spec_ctrl", 1) == 1)
            #expect(!subsections(stream, "cpu", 1).contains("cpu/xss"))
            let state = try stream.machine().processors[1].save()
            #expect(state.protectionKeys == 0x5555_5554 && state.timeStampAdjust == 0x1234)
            #expect(state.otherMSRs[0x48] == 1)
        }
        // Back to the usual values: the subsections stay, with those.
        var state = machine.processors[1].save()
        state.protectionKeys = 0
        try machine.processors[1].load(state)
        #expect(try unsigned(machine.save(over: stream), "cpu", "cpu/pkru.env.pkru", 1) == 0)
    }

    @Test func theSerialPort() throws {
        let (stream, again, machine) = try saved { machine in
            // FIFO on with a trigger at 8 bytes, interrupts of receiver and transmitter; three bytes have come.
            _ = machine.writePort(0x3FA, byteCount: 1, value: 0x81)
            _ = machine.writePort(0x3F9, byteCount: 1, value: 0x03)
            _ = machine.readPort(0x3FA, byteCount: 1)
            #expect(machine.sendConsoleInput([0x41, 0x42, 0x43]) == 3)
        }
        for stream in [stream, again] {
            #expect(try unsigned(stream, "serial", "state.serial/recv_fifo.recv_fifo.num") == 3)
            let expiry = try unsigned(stream, "serial", "state.serial/fifo_timeout_timer.fifo_timeout_timer")
            #expect(expiry > 0 && expiry < UInt64.max)
            let port = try SerialPort(try #require(stream.device("serial")))
            #expect(port == (try SerialPort(try #require(try board(machine, over: stream)))))
        }
        // The bytes come out of a machine that goes on from there.
        let next = try again.machine()
        #expect((0..<3).map { _ in next.readPort(0x3F8, byteCount: 1) } == [0x41, 0x42, 0x43])
    }

    private func board(_ machine: Machine, over stream: MigrationStream) throws -> DeviceSection? {
        try machine.save(over: stream).device("serial")
    }

    @Test func theTransmittersInterrupt() throws {
        // Pending behind a line status of higher priority: the identification register does not tell.
        let (stream, again, _) = try saved { machine in
            _ = machine.writePort(0x3FC, byteCount: 1, value: 0x10)
            for _ in 0..<3 { _ = machine.writePort(0x3F8, byteCount: 1, value: 0x55) }
            _ = machine.writePort(0x3F9, byteCount: 1, value: 0x06)
        }
        for stream in [stream, again] {
            #expect(try unsigned(stream, "serial", "state.serial/thr_ipending.thr_ipending") == 1)
        }
    }

    @Test func theKeyboard() throws {
        let (stream, again, _) = try saved { machine in
            // LEDs on; A20 off in the output port.
            _ = machine.writePort(0x60, byteCount: 1, value: 0xED)
            _ = machine.writePort(0x60, byteCount: 1, value: 0x05)
            _ = machine.writePort(0x64, byteCount: 1, value: 0xD1)
            _ = machine.writePort(0x60, byteCount: 1, value: 0xDD)
        }
        for stream in [stream, again] {
            #expect(try unsigned(stream, "ps2kbd", "ps2kbd/ledstate.ledstate") == 5)
            #expect(try unsigned(stream, "pckbd", "kbd.pckbd_outport.outport") & 2 == 0)
        }
    }
}
