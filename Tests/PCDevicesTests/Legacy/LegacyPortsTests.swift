import PCDevices
import Testing
import VMState

/// The small devices around: port 0x92, debug ports, DMA, floppy, VGA.
@Suite struct LegacyPortsTests {
    @Test func port92() throws {
        var list = FieldList()
        list.add("outport", UInt8(2))
        let section = list.section("port92", version: 1)
        var port = try SystemControlPort(section)
        var saved = section
        try port.save(to: &saved)
        #expect(saved == section)
        #expect(port.isA20Enabled && port.read() == 2)
        port.write(0x00)
        #expect(!port.isA20Enabled)
        #expect(port.takeResetRequest() == false)
        port.write(0x03)
        #expect(port.takeResetRequest() == true)
        #expect(port.takeResetRequest() == false)
        // Only a rising bit resets.
        port.write(0x03)
        #expect(port.takeResetRequest() == false)
    }

    @Test func debugPorts() {
        var ports = DebugPorts()
        ports.writeProgress(0x7F)
        #expect(ports.progress == 0x7F)
        for byte in "boot".utf8 { ports.writeConsole(byte) }
        #expect(ports.takeOutput() == Array("boot".utf8))
        #expect(ports.takeOutput().isEmpty)
    }

    @Test func dmaAddressesAndPages() {
        var dma = DMAController()
        func word(_ port: UInt64) -> UInt64 { dma.read(port, byteCount: 1) | dma.read(port, byteCount: 1) << 8 }
        // Clear the flip-flop, then low and high byte of channel 2's address and count.
        dma.write(0x0C, byteCount: 1, value: 0)
        for (port, byte) in [(4, 0x34), (4, 0x12), (5, 0xFF), (5, 0x01)] as [(UInt64, UInt64)] {
            dma.write(port, byteCount: 1, value: byte)
        }
        #expect(word(4) == 0x1234)
        #expect(word(5) == 0x01FF)
        // Page of channel 2 is port 0x81, of channel 5 port 0x8B.
        dma.write(0x81, byteCount: 1, value: 0x42)
        dma.write(0x8B, byteCount: 1, value: 0x43)
        #expect(dma.read(0x81, byteCount: 1) == 0x42)
        #expect(dma.read(0x8B, byteCount: 1) == 0x43)
        // Channel 5's count, in words, is at 0xC6.
        dma.write(0xD8, byteCount: 1, value: 0)
        dma.write(0xC6, byteCount: 1, value: 0x10)
        dma.write(0xC6, byteCount: 1, value: 0x20)
        #expect(word(0xC6) == 0x2010)
        // After a master clear all channels are masked.
        dma.write(0x0D, byteCount: 1, value: 0)
        #expect(dma.read(0x0F, byteCount: 1) & 0x0F == 0x0F)
        dma.write(0x0A, byteCount: 1, value: 2)
        #expect(dma.read(0x0F, byteCount: 1) & 0x0F == 0x0B)
        #expect(DMAController.answers(0x81) && !DMAController.answers(0x80))
    }

    @Test func dmaSectionsComeOutUnchanged() throws {
        var list = FieldList()
        list.add("command", UInt8(0x10))
        list.add("mask", UInt8(0xFB))
        list.add("flip_flop", UInt8(1))
        for index in 0..<4 {
            let prefix = "regs[\(index)]."
            list.add(prefix + "now[0]", Int32(-5))
            list.add(prefix + "now[1]", Int32.max)
            list.add(prefix + "base[0]", UInt16(7))
            list.add(prefix + "base[1]", UInt16(8))
            for (name, value) in [("mode", 0x46), ("page", 3), ("pageh", 4)] as [(String, UInt8)] {
                list.add(prefix + name, value)
            }
        }
        let sections = [list.section("dma", instance: 0, version: 1), list.section("dma", instance: 1, version: 1)]
        var dma = try DMAController(sections[0], sections[1])
        var saved = sections
        try dma.save(0, to: &saved[0])
        try dma.save(1, to: &saved[1])
        #expect(saved == sections)
        _ = (0..<0x100 as Range<UInt64>).map { dma.read($0, byteCount: 8) }
    }

    @Test func floppyWithoutDrives() {
        var floppy = FloppyController()
        func result() -> [UInt64] {
            var bytes: [UInt64] = []
            while floppy.read(4, byteCount: 1) & 0xC0 == 0xC0, bytes.count < 16 {
                bytes.append(floppy.read(5, byteCount: 1))
            }
            return bytes
        }
        #expect(floppy.read(4, byteCount: 1) == 0x80)
        floppy.write(5, byteCount: 1, value: 0x10)
        #expect(result() == [0x90])
        // The end of a reset interrupts; four sense commands report the drives.
        floppy.write(2, byteCount: 1, value: 0x08)
        #expect(floppy.read(4, byteCount: 1) == 0)
        floppy.write(2, byteCount: 1, value: 0x0C)
        #expect(floppy.interruptLine)
        for drive in 0..<4 as Range<UInt64> {
            floppy.write(5, byteCount: 1, value: 0x08)
            #expect(result() == [0xC0 | drive, 0])
        }
        #expect(!floppy.interruptLine)
        floppy.write(5, byteCount: 1, value: 0x08)
        #expect(result() == [0x80])
        // Recalibrating a drive that is not there.
        floppy.write(5, byteCount: 1, value: 0x07)
        floppy.write(5, byteCount: 1, value: 0x00)
        #expect(floppy.interruptLine)
        floppy.write(5, byteCount: 1, value: 0x08)
        #expect(result() == [0x70, 0])
        // Reading from it: seven result bytes, abnormal end.
        for byte in [0x46, 0, 0, 0, 1, 2, 18, 27, 0xFF] as [UInt64] { floppy.write(5, byteCount: 1, value: byte) }
        let bytes = result()
        #expect(bytes.count == 7 && bytes[0] & 0xC0 == 0x40)
        // An invalid command.
        floppy.write(5, byteCount: 1, value: 0x1F)
        #expect(result() == [0x80])
        #expect(floppy.read(6, byteCount: 1) == 0xFF)
    }

    @Test func floppySectionsComeOutUnchanged() throws {
        var list = FieldList()
        for (name, value) in [("dor_vmstate", 0x0C), ("tdr", 1), ("dsr", 2), ("msr", 0x80)] as [(String, UInt8)] {
            list.add("state." + name, value)
        }
        let section = list.section("fdc", version: 2)
        var saved = section
        try FloppyController(section).save(to: &saved)
        #expect(saved == section)
    }

    @Test func vgaWithoutAnAdapterReadsOnes() {
        var vga = VGARegisters(isPresent: false)
        vga.write(0x3C4, byteCount: 2, value: 0x0102)
        #expect(vga.read(0x3CC, byteCount: 1) == 0xFF)
        #expect(vga.read(0x3D4, byteCount: 2) == 0xFFFF)
    }

    @Test func vgaRegistersKeepWhatIsWritten() {
        var vga = VGARegisters(isPresent: true)
        // The cursor's place, as vgacon writes it: index and data in one word.
        vga.write(0x3D4, byteCount: 2, value: 0x120E)
        vga.write(0x3D4, byteCount: 2, value: 0x340F)
        #expect(vga.read(0x3D5, byteCount: 1) == 0x34)
        vga.write(0x3D4, byteCount: 1, value: 0x0E)
        #expect(vga.read(0x3D5, byteCount: 1) == 0x12)
        // Status resets the attribute port to its index; and a retrace comes and goes.
        let states = (0..<4).map { _ in vga.read(0x3DA, byteCount: 1) & 8 }
        #expect(Set(states) == [0, 8])
        vga.write(0x3C0, byteCount: 1, value: 0x30)
        vga.write(0x3C0, byteCount: 1, value: 0x0C)
        #expect(vga.read(0x3C1, byteCount: 1) == 0x0C)
        // Palette: entry 1 is three bytes of six bits.
        vga.write(0x3C8, byteCount: 1, value: 1)
        for byte in [1, 2, 0xFF] as [UInt64] { vga.write(0x3C9, byteCount: 1, value: byte) }
        vga.write(0x3C7, byteCount: 1, value: 1)
        for byte in [1, 2, 0x3F] as [UInt64] { #expect(vga.read(0x3C9, byteCount: 1) == byte) }
        // Monochrome ports do not answer while the colour ones do.
        #expect(vga.read(0x3B5, byteCount: 1) == 0xFF)
        // Locked: registers 0-7 keep their values.
        vga.write(0x3D4, byteCount: 2, value: 0x5500)
        vga.write(0x3D4, byteCount: 2, value: 0x8011)
        vga.write(0x3D4, byteCount: 2, value: 0x6600)
        #expect(vga.read(0x3D5, byteCount: 1) == 0x55)
    }
}
