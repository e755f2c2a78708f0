/// The registers of a VGA at ports 0x3B0-0x3DF, kept without effect: nothing is drawn.
///
/// Source: IBM VGA Technical Reference. A machine without a VGA reads ones.
package struct VGARegisters: Sendable, Hashable {
    /// There is an adapter.
    package let isPresent: Bool
    /// Index and data of sequencer, graphics controller and CRT controller.
    private var sequencer = Indexed(count: 8)
    private var graphics = Indexed(count: 16)
    private var controller = Indexed(count: 256)
    private var attributes = Indexed(count: 32)
    /// The attribute port takes data next, not an index.
    private var isAttributeData = false
    /// Bit 0: the CRT controller is at 0x3D4, not at 0x3B4.
    private var miscellaneous: UInt8 = 0x67
    private var feature: UInt8 = 0
    private var paletteMask: UInt8 = 0xFF
    private var paletteReadIndex: UInt8 = 0
    private var paletteWriteIndex: UInt8 = 0
    private var paletteComponent = 0
    private var isPaletteReading = false
    private var palette: [UInt8] = Array(repeating: 0, count: 768)
    /// Input status 1 bits 0 and 3 change with every read, so that who waits for a retrace sees one.
    private var isRetracing = false

    private struct Indexed: Sendable, Hashable {
        var index: UInt8 = 0
        var values: [UInt8]

        init(count: Int) { values = Array(repeating: 0, count: count) }

        var value: UInt8 {
            get { Int(index) < values.count ? values[Int(index)] : 0 }
            set { if Int(index) < values.count { values[Int(index)] = newValue } }
        }
    }

    package init(isPresent: Bool) { self.isPresent = isPresent }

    /// Reads ports 0x3B0-0x3DF (offsets are port numbers).
    package mutating func read(_ port: UInt64, byteCount: Int) -> UInt64 {
        guard isPresent else { return ByteAccess.ones(byteCount) }
        return ByteAccess.read(port, byteCount: byteCount) { readRegister($0) }
    }

    /// Writes ports 0x3B0-0x3DF.
    package mutating func write(_ port: UInt64, byteCount: Int, value: UInt64) {
        guard isPresent else { return }
        ByteAccess.write(port, byteCount: byteCount, value: value) { writeRegister($0, $1) }
    }

    /// The CRT controller's ports are the colour or the monochrome ones; the others do not answer.
    private func isDecoded(_ port: UInt64) -> Bool {
        switch port {
        case 0x3B0...0x3BF: miscellaneous & 1 == 0
        case 0x3D0...0x3DF: miscellaneous & 1 != 0
        default: true
        }
    }

    private mutating func readRegister(_ port: UInt64) -> UInt8? {
        guard isDecoded(port) else { return nil }
        switch port {
        case 0x3C0: return isAttributeData ? 0 : attributes.index
        case 0x3C1: return attributes.values[Int(attributes.index & 0x1F)]
        case 0x3C2: return 0x10
        case 0x3C4: return sequencer.index
        case 0x3C5: return sequencer.value
        case 0x3C6: return paletteMask
        case 0x3C7: return isPaletteReading ? 3 : 0
        case 0x3C8: return paletteWriteIndex
        case 0x3C9: return readPalette()
        case 0x3CA: return feature
        case 0x3CC: return miscellaneous
        case 0x3CE: return graphics.index
        case 0x3CF: return graphics.value
        case 0x3B4, 0x3D4: return controller.index
        case 0x3B5, 0x3D5: return controller.value
        case 0x3BA, 0x3DA:
            isAttributeData = false
            isRetracing.toggle()
            return isRetracing ? 0x09 : 0
        default: return nil
        }
    }

    private mutating func writeRegister(_ port: UInt64, _ byte: UInt8) {
        guard isDecoded(port) else { return }
        switch port {
        case 0x3C0:
            if isAttributeData {
                attributes.values[Int(attributes.index & 0x1F)] = byte
            } else {
                attributes.index = byte & 0x3F
            }
            isAttributeData.toggle()
        case 0x3C2: miscellaneous = byte & ~0x10
        case 0x3C4: sequencer.index = byte & 7
        case 0x3C5: sequencer.value = byte
        case 0x3C6: paletteMask = byte
        case 0x3C7: selectPalette(byte, isReading: true)
        case 0x3C8: selectPalette(byte, isReading: false)
        case 0x3C9: writePalette(byte)
        case 0x3CE: graphics.index = byte & 15
        case 0x3CF: graphics.value = byte
        case 0x3B4, 0x3D4: controller.index = byte
        case 0x3B5, 0x3D5:
            // Registers 0-7 can be locked, except for bit 4 of the overflow register.
            if controller.index <= 7, controller.values[0x11] & 0x80 != 0 {
                if controller.index == 7 { controller.value = controller.value & ~0x10 | byte & 0x10 }
            } else {
                controller.value = byte
            }
        case 0x3BA, 0x3DA: feature = byte & 0x10
        default: break
        }
    }

    private mutating func selectPalette(_ index: UInt8, isReading: Bool) {
        if isReading { paletteReadIndex = index } else { paletteWriteIndex = index }
        paletteComponent = 0
        isPaletteReading = isReading
    }

    /// Three components an entry, then the next one.
    private mutating func readPalette() -> UInt8 {
        let byte = palette[Int(paletteReadIndex) * 3 + paletteComponent]
        paletteComponent = (paletteComponent + 1) % 3
        if paletteComponent == 0 { paletteReadIndex &+= 1 }
        return byte
    }

    private mutating func writePalette(_ byte: UInt8) {
        palette[Int(paletteWriteIndex) * 3 + paletteComponent] = byte & 0x3F
        paletteComponent = (paletteComponent + 1) % 3
        if paletteComponent == 0 { paletteWriteIndex &+= 1 }
    }
}
