/// A guest's memory with just enough of a 64-bit Linux kernel to be found: page tables, code, symbols, types, and some variables.
package struct SyntheticKernel {
    /// First virtual address of the image.
    package static let base: UInt64 = 0xffff_ffff_8100_0000
    /// Physical address of the image: code, read-only data and data of 2 MiB each.
    private static let image = 2 << 20
    private static let part = 2 << 20
    /// Physical address of the top page table.
    package static let cr3: UInt64 = 0x1000
    /// Where SYSCALL goes.
    package static let lstar = base + 0x1000

    /// 8 MiB of RAM from address 0 on.
    package let memory: [UInt8]
    /// Addresses of the variables.
    package let variables: [String: UInt64]

    /// Makes one with types, and with variables that have the given bytes.
    package init(types: KernelTypeSection, variables: [(name: String, bytes: [UInt8])]) {
        var memory = [UInt8](repeating: 0, count: 8 << 20)
        func put(_ bytes: [UInt8], at place: Int) { memory.replaceSubrange(place..<place + bytes.count, with: bytes) }
        func entry(_ table: Int, _ index: Int, _ value: UInt64) {
            put(withUnsafeBytes(of: value.littleEndian) { Array($0) }, at: table + 8 * index)
        }
        entry(0x1000, 511, 0x2003)
        entry(0x2000, 510, 0x3003)
        // Code; read-only data; data. None but code can be executed.
        let noExecute: UInt64 = 1 << 63
        for (index, rights) in [0x81, noExecute | 0x81, noExecute | 0x83].enumerated() {
            entry(0x3000, 8 + index, UInt64(Self.image + index * Self.part) | rights)
        }
        let constants = Self.base + UInt64(Self.part)
        let data = Self.base + 2 * UInt64(Self.part)
        let section = types.bytes
        let banner = 0x10_0000
        let btf = 0x10_1000
        var symbols = (0..<1200).map { ("tfunction_\($0)_of_many", Self.base + UInt64($0) * 64) }
        symbols += [
            ("Dlinux_banner", constants + UInt64(banner)), ("D__start_BTF", constants + UInt64(btf)),
            ("D__stop_BTF", constants + UInt64(btf + section.count)),
        ]
        var places: [String: UInt64] = [:]
        var offset = 0
        for (name, bytes) in variables {
            places[name] = data + UInt64(offset)
            symbols.append(("D\(name)", data + UInt64(offset)))
            put(bytes, at: Self.image + 2 * Self.part + offset)
            offset += (bytes.count + 63) & ~63
        }
        let readOnly = Self.image + Self.part
        put(
            KernelSymbolTable.bytes(symbols, base: Self.base, modern: true, absolutePerCPU: false),
            at: readOnly)
        put(Array("Linux version 6.99.0-test (nobody) #1\n".utf8) + [0], at: readOnly + banner)
        put(section, at: readOnly + btf)
        self.memory = memory
        self.variables = places
    }
}
