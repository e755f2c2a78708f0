import PCDevices
import Testing
import VMState

/// PC16550D data sheet.
@Suite struct SerialPortTests {
    private static func write(_ port: inout SerialPort, _ register: UInt64, _ value: UInt64, at now: UInt64 = 0) {
        port.write(register, byteCount: 1, value: value, now: now)
    }

    private static func read(_ port: inout SerialPort, _ register: UInt64, at now: UInt64 = 0) -> UInt64 {
        port.read(register, byteCount: 1, now: now)
    }

    /// 115,200 baud, 8N1, FIFOs with a trigger level (0-3), receiver interrupt.
    private static func prepared(level: UInt64) -> SerialPort {
        var port = SerialPort()
        write(&port, 3, 0x83)
        write(&port, 0, 1)
        write(&port, 1, 0)
        write(&port, 3, 0x03)
        write(&port, 2, level << 6 | 1)
        write(&port, 1, 1)
        return port
    }

    @Test func afterReset() {
        var port = SerialPort()
        #expect(Self.read(&port, 1) == 0)
        #expect(Self.read(&port, 2) == 0x01)
        #expect(Self.read(&port, 3) == 0)
        #expect(Self.read(&port, 5) == 0x60)
        #expect(Self.read(&port, 6) & 0x0F == 0)
    }

    @Test func theDivisorHidesBehindDLAB() {
        var port = SerialPort()
        Self.write(&port, 3, 0x80)
        Self.write(&port, 0, 0x34)
        Self.write(&port, 1, 0x12)
        #expect([Self.read(&port, 0), Self.read(&port, 1)] == [0x34, 0x12])
        Self.write(&port, 3, 0x03)
        #expect(port.takeOutput().isEmpty)
        #expect(Self.read(&port, 1) == 0)
        Self.write(&port, 7, 0xA5)
        #expect(Self.read(&port, 7) == 0xA5)
    }

    @Test func outputIsCollectedAndTaken() {
        var port = SerialPort()
        for byte in "hello".utf8 { Self.write(&port, 0, UInt64(byte)) }
        #expect(Self.read(&port, 5) == 0x60)
        #expect(port.hasOutput)
        #expect(port.takeOutput() == Array("hello".utf8))
        #expect(port.takeOutput().isEmpty)
    }

    @Test func outputIsBounded() {
        var port = SerialPort()
        for _ in 0..<SerialPort.outputLimit + 3 { Self.write(&port, 0, 0x41) }
        #expect(port.droppedOutput == 3)
        #expect(port.takeOutput().count == SerialPort.outputLimit)
    }

    @Test func theTransmittersInterruptIsAnsweredByItsIdentification() {
        var port = SerialPort()
        Self.write(&port, 1, 2)
        #expect(port.interruptLine)
        #expect(Self.read(&port, 2) == 0x02)
        #expect(!port.interruptLine)
        #expect(Self.read(&port, 2) == 0x01)
        Self.write(&port, 0, 0x41)
        #expect(port.interruptLine)
        Self.write(&port, 1, 0)
        #expect(!port.interruptLine)
    }

    @Test func withoutFIFOThereIsOneByte() {
        var port = SerialPort()
        Self.write(&port, 1, 1)
        #expect(port.canReceive)
        #expect(port.receive([0x41, 0x42], now: 0) == 1)
        #expect(!port.canReceive)
        #expect(port.interruptLine)
        #expect(Self.read(&port, 2) == 0x04)
        #expect(Self.read(&port, 5) == 0x61)
        #expect(Self.read(&port, 0) == 0x41)
        #expect(!port.interruptLine)
        #expect(Self.read(&port, 5) == 0x60)
    }

    @Test(arguments: [(0, 1), (1, 4), (2, 8), (3, 14)] as [(UInt64, Int)])
    func triggerLevels(level: UInt64, count: Int) {
        var port = Self.prepared(level: level)
        for number in 1...count {
            #expect(port.receive([UInt8(number)], now: 0) == 1)
            #expect(port.interruptLine == (number == count))
        }
        #expect(Self.read(&port, 2) == 0xC4)
        #expect(Self.read(&port, 0) == 1)
        // Below the level the data interrupt is gone.
        #expect(!port.interruptLine)
    }

    @Test func oldBytesTimeOutAfterFourCharacters() {
        var port = Self.prepared(level: 3)
        _ = port.receive([1, 2], now: 1000)
        // A character of 10 bits at 115,200 baud takes 86,805 ns.
        let timeout: UInt64 = 1000 + 4 * 86_800
        #expect(port.deadline == timeout)
        port.advance(to: timeout - 1)
        #expect(!port.interruptLine)
        port.advance(to: timeout)
        #expect(port.interruptLine)
        #expect(Self.read(&port, 2, at: timeout) == 0xCC)
        #expect(port.deadline == nil)
        // Reading a character clears it and starts the time anew.
        #expect(Self.read(&port, 0, at: timeout) == 1)
        #expect(!port.interruptLine)
        #expect(port.deadline == timeout + 4 * 86_800)
        #expect(Self.read(&port, 0, at: timeout) == 2)
        #expect(port.deadline == nil)
    }

    @Test func theFIFOTakes16Bytes() {
        var port = Self.prepared(level: 0)
        #expect(port.receive([UInt8](repeating: 7, count: 20), now: 0) == 16)
        #expect(!port.canReceive)
        #expect(Self.read(&port, 5) & 0x02 == 0)
        // Resetting the FIFO forgets them.
        Self.write(&port, 2, 0x03)
        #expect(Self.read(&port, 5) == 0x60)
        #expect(port.receive([9], now: 0) == 1)
        // Switching it off too.
        Self.write(&port, 2, 0x00)
        #expect(Self.read(&port, 5) == 0x60)
        #expect(Self.read(&port, 2) == 0x01)
    }

    @Test func loopbackReceivesWhatIsSentAndOverruns() {
        var port = Self.prepared(level: 0)
        Self.write(&port, 1, 4)
        Self.write(&port, 4, 0x10)
        #expect(port.receive([1], now: 0) == 0)
        for byte in 0..<17 as Range<UInt64> { Self.write(&port, 0, byte) }
        #expect(port.takeOutput().isEmpty)
        #expect(port.interruptLine)
        #expect(Self.read(&port, 2) == 0xC6)
        #expect(Self.read(&port, 5) == 0x63)
        // Reading the status clears the overrun; the FIFO has the first 16.
        #expect(Self.read(&port, 5) == 0x61)
        #expect(!port.interruptLine)
        for byte in 0..<16 as Range<UInt64> { #expect(Self.read(&port, 0) == byte) }
        #expect(Self.read(&port, 5) == 0x60)
    }

    @Test(arguments: [(0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80), (0x1A, 0x90)] as [(UInt64, UInt64)])
    func loopbackOfModemLines(control: UInt64, expected: UInt64) {
        var port = SerialPort()
        Self.write(&port, 4, control)
        #expect(Self.read(&port, 6) & 0xF0 == expected)
    }

    @Test func changesOfModemLinesInterrupt() {
        var port = SerialPort()
        Self.write(&port, 4, 0x10)
        _ = Self.read(&port, 6)
        Self.write(&port, 1, 8)
        #expect(!port.interruptLine)
        // RTS becomes CTS.
        Self.write(&port, 4, 0x12)
        #expect(Self.read(&port, 2) == 0x00)
        #expect(Self.read(&port, 6) == 0x11)
        #expect(!port.interruptLine)
        // The ring indicator only tells of its end.
        Self.write(&port, 4, 0x16)
        #expect(Self.read(&port, 6) == 0x50)
        Self.write(&port, 4, 0x12)
        #expect(Self.read(&port, 6) == 0x14)
    }

    @Test func prioritiesOfInterrupts() {
        var port = Self.prepared(level: 0)
        Self.write(&port, 1, 0x0F)
        _ = port.receive([1], now: 0)
        #expect(Self.read(&port, 2) == 0xC4)
        _ = Self.read(&port, 0)
        #expect(Self.read(&port, 2) == 0xC2)
        #expect(Self.read(&port, 2) == 0xC1)
    }
}

/// Sections in the layout of QEMU 7.2.
extension SerialPortTests {
    private static func section(
        fifo: (head: UInt32, bytes: [UInt8])? = nil, timeout: UInt64 = .max, identification: UInt8 = 0xC1
    ) -> DeviceSection {
        var list = FieldList()
        list.add("state.divider", UInt16(12))
        list.add("state.rbr", UInt8(0x33))
        list.add("state.ier", UInt8(5))
        list.add("state.iir", identification)
        list.add("state.lcr", UInt8(0x13))
        list.add("state.mcr", UInt8(0x0B))
        list.add("state.lsr", fifo == nil ? UInt8(0x60) : 0x61)
        list.add("state.msr", UInt8(0xB0))
        list.add("state.scr", UInt8(0))
        list.add("state.fcr_vmstate", UInt8(0x81))
        if let fifo {
            var ring = [UInt8](repeating: 0xEE, count: 16)
            for (index, byte) in fifo.bytes.enumerated() { ring[(Int(fifo.head) + index) % 16] = byte }
            list.add("state.serial/recv_fifo.recv_fifo.data", bytes: ring)
            list.add("state.serial/recv_fifo.recv_fifo.head", fifo.head)
            list.add("state.serial/recv_fifo.recv_fifo.num", UInt32(fifo.bytes.count))
            list.add("state.serial/fifo_timeout_timer.fifo_timeout_timer", timeout)
        }
        return list.section("serial")
    }

    @Test func aSectionComesOutUnchanged() throws {
        for section in [Self.section(), Self.section(fifo: (14, [1, 2, 3, 4]), timeout: 12_345)] {
            let port = try SerialPort(section)
            var saved = section
            try port.save(to: &saved)
            #expect(saved == section)
            #expect(try SerialPort(saved) == port)
        }
    }

    @Test func theLoadedFIFOGoesOn() throws {
        var port = try SerialPort(Self.section(fifo: (14, [1, 2, 3, 4]), timeout: 12_345))
        #expect(port.deadline == 12_345)
        port.advance(to: 12_345)
        #expect(port.interruptLine)
        for byte in 1...4 as ClosedRange<UInt64> { #expect(Self.read(&port, 0, at: 12_345) == byte) }
        var saved = Self.section(fifo: (14, [1, 2, 3, 4]), timeout: 12_345)
        try port.save(to: &saved)
        #expect(try saved.unsigned("state.serial/recv_fifo.recv_fifo.num") == 0)
    }

    @Test func damagedSectionsDoNotTrap() throws {
        #expect(throws: DeviceError.self) { try SerialPort(FieldList().section("serial")) }
        var list = FieldList()
        list.add("state.rbr", UInt8(0))
        #expect(throws: DeviceError.self) { try SerialPort(list.section("serial")) }
    }
}
