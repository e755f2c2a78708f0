import Glibc
import GuestInspection

/// A part of a Linux kernel's image with a symbol table.
enum KernelSymbolsTarget: FuzzTarget {
    static let name = "kallsyms"

    private static let base: UInt64 = 0xffff_ffff_8100_0000

    /// A table of 1000 symbols with one-character tokens, in the order of Linux 6.4 and later and in that before.
    static func seeds() throws -> [[UInt8]] { [table(isModern: true), table(isModern: false)] }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        guard let symbols = KernelSymbols(searching: Array(bytes), kernel: base..<base + (64 << 20)) else { return }
        let found = symbols.symbols(named: ["a", "aa", "linux_banner"])
        for list in found.values {
            for symbol in list where symbols.symbol(at: symbol.address) == nil { finding("a symbol has no address") }
        }
        for index in [0, 1, 255, 256, symbols.count - 1] where symbols.symbol(index).map(\.address) != nil {
            _ = symbols.end(ofSymbolAt: symbols.address(index))
        }
        _ = symbols.symbols(withPrefix: "a")
    }

    private static func table(isModern: Bool) -> [UInt8] {
        let count = 1000
        var bytes: [UInt8] = []
        func align() { while bytes.count % 8 != 0 { bytes.append(0) } }
        func add<Value: FixedWidthInteger>(_ value: Value) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        func addresses() {
            for index in 0..<count { add(-1 - Int32(index * 16)) }
            align()
            add(base)
        }
        if !isModern { addresses() }
        add(UInt64(count))
        let start = bytes.count
        var markers: [Int] = []
        for index in 0..<count {
            if index % 256 == 0 { markers.append(bytes.count - start) }
            bytes += [3, UInt8(ascii: "t"), UInt8(ascii: "a"), UInt8(ascii: "a") + UInt8(index % 26)]
        }
        align()
        for marker in markers { add(UInt32(marker)) }
        align()
        let tokens = bytes.count
        var offsets: [UInt16] = []
        for token in 0..<256 {
            offsets.append(UInt16(bytes.count - tokens))
            if (0x20..<0x7f).contains(token) { bytes.append(UInt8(token)) }
            bytes.append(0)
        }
        align()
        for offset in offsets { add(offset) }
        if isModern { addresses() }
        return bytes
    }
}

/// The type information of a Linux kernel.
enum KernelTypesTarget: FuzzTarget {
    static let name = "btf"

    /// An integer, a structure with two members, and an enumeration; and the beginning of the running kernel's types.
    static func seeds() throws -> [[UInt8]] {
        var bytes: [UInt8] = [0x9f, 0xeb, 1, 0]
        let strings = Array("\0int\0s\0a\0b\0e\0X\0".utf8)
        let words: [UInt32] = [
            1, 1 << 24, 4, 32, 5, 4 << 24 | 2, 8, 7, 1, 0, 9, 1, 32, 11, 6 << 24 | 1, 4, 13, 7,
        ]
        for word in [24, 0, UInt32(4 * words.count), UInt32(4 * words.count), UInt32(strings.count)] + words {
            withUnsafeBytes(of: word.littleEndian) { bytes += $0 }
        }
        return [bytes + strings] + [running()].compactMap(\.self)
    }

    /// The first types of this machine's kernel and the names that they begin with; nil where the kernel shows none.
    private static func running() -> [UInt8]? {
        guard let file = fopen("/sys/kernel/btf/vmlinux", "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 20)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        guard bytes.count > 24 else { return nil }
        func word(_ offset: Int) -> Int { (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) } }
        let (header, types, names) = (word(4), word(4) + word(8), word(4) + word(16))
        // As many whole records as fit; a record's length depends on its kind (see KernelTypes).
        var end = types
        while end + 12 < min(types + 60_000, names) {
            let count = word(end + 4) & 0xffff
            switch word(end + 4) >> 24 & 0x1f {
            case 1, 14, 17: end += 16
            case 3: end += 24
            case 4, 5, 15, 19: end += 12 + 12 * count
            case 6, 13: end += 12 + 8 * count
            default: end += 12
            }
        }
        let strings = bytes[names..<min(names + 100_000, bytes.count)] + [0]
        guard header == 24, end <= names else { return nil }
        var result = Array(bytes[..<8])
        for value in [0, end - types, end - types, strings.count] {
            result += (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        return result + bytes[types..<end] + strings
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        let bytes = Array(bytes)
        _ = KernelTypes.length(ofHeader: bytes)
        guard let types = try? KernelTypes(bytes) else { return }
        for path in ["a", "b", "a.b"] {
            if let field = types.field("s", path), field.offset > 1 << 40 { finding("a member beyond everything") }
        }
        _ = types.enumerator("X", of: "e")
        for type in 0..<UInt32(min(types.count, 4096)) {
            _ = types.size(type)
            _ = types.members(type).count
            _ = types.parameters(ofFunction: type)?.count
            _ = types.pointee(type)
        }
    }
}
