/// Writes symbol tables as the build of Linux does ("kallsyms").
package enum KernelSymbolTable {
    /// The table's bytes; tokens are the printable characters, and one for "function_".
    ///
    /// - Parameters:
    ///   - symbols: name with the letter of its kind, and address, in order.
    ///   - base: the first address of the image.
    ///   - modern: the order of parts since Linux 6.4.
    ///   - absolutePerCPU: addresses below 2^31 are stored as they are.
    package static func bytes(
        _ symbols: [(String, UInt64)], base: UInt64, modern: Bool, absolutePerCPU: Bool, seqs: Bool = true
    ) -> [UInt8] {
        var writer = Writer()
        writer.bytes = [UInt8](repeating: 0, count: 0x40)
        if !modern { writer.addresses(symbols, base, absolutePerCPU) }
        writer.align()
        writer.add(UInt32(symbols.count))
        writer.align()
        let start = writer.bytes.count
        var markers: [Int] = []
        for (index, (name, _)) in symbols.enumerated() {
            if index % 256 == 0 { markers.append(writer.bytes.count - start) }
            let packed = Array(name.replacing("function_", with: "\u{1}").utf8)
            writer.bytes +=
                packed.count < 128
                ? [UInt8(packed.count)] : [UInt8(packed.count & 0x7f | 0x80), UInt8(packed.count >> 7)]
            writer.bytes += packed
        }
        writer.align()
        for marker in markers { writer.add(UInt32(marker)) }
        if !modern, seqs { writer.seqs(symbols.count) }
        writer.align()
        writer.tokens()
        if modern {
            writer.addresses(symbols, base, absolutePerCPU)
            if seqs { writer.seqs(symbols.count) }
        }
        writer.align()
        return writer.bytes + [UInt8](repeating: 0, count: 64)
    }

    private struct Writer {
        var bytes: [UInt8] = []

        mutating func align() { while bytes.count % 8 != 0 { bytes.append(0) } }

        mutating func add<Value: FixedWidthInteger>(_ value: Value) {
            withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
        }

        mutating func addresses(_ symbols: [(String, UInt64)], _ base: UInt64, _ absolutePerCPU: Bool) {
            align()
            for (_, address) in symbols {
                let isAbsolute = absolutePerCPU && address < 1 << 31
                if isAbsolute {
                    add(Int32(address))
                } else {
                    add(UInt32(truncatingIfNeeded: absolutePerCPU ? base &- 1 &- address : address &- base))
                }
            }
            align()
            add(base)
        }

        mutating func seqs(_ count: Int) {
            align()
            for index in 0..<count { bytes += [0, UInt8(index >> 8 & 255), UInt8(index & 255)] }
        }

        mutating func tokens() {
            var index: [UInt16] = []
            let start = bytes.count
            for token in 0..<256 {
                index.append(UInt16(bytes.count - start))
                if token == 1 { bytes += Array("function_".utf8) }
                if (0x20..<0x7f).contains(token) { bytes.append(UInt8(token)) }
                if token > 0x80 { bytes += Array("unused\(token)".utf8) }
                bytes.append(0)
            }
            align()
            for offset in index { add(offset) }
        }
    }
}
