import Glibc

/// Registers, flags and vectors before and after a piece of code.
struct CPUState: Equatable {
    var general: [UInt64] = Array(repeating: 0, count: 16)
    var flags: UInt64 = 0
    var vectors: [UInt64] = Array(repeating: 0, count: 32)
}

/// Runs machine code on the host's CPU with all registers under control.
///
/// The arena is mapped at a fixed low address, so that the engine's guest can have code and data at the same addresses.
/// The code must not fault and must not leave RSP outside of the data area.
final class NativeRunner {
    static let arena: UInt64 = 0x2000_0000
    static let codePage = arena
    static let contextPage = arena + 0x1000
    static let data = arena + 0x4000
    static let dataSize = 0x1000
    static let dataMiddle = data + 0x800
    private static let length = 0x8000

    let base: UnsafeMutableRawPointer
    /// Where the code under test begins: the same for every run of one prologue.
    static let codeStart = codePage + 0x200

    init?() {
        let address = UnsafeMutableRawPointer(bitPattern: UInt(Self.arena))
        // MAP_FIXED_NOREPLACE keeps the runner from overwriting anything.
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | 0x10_0000
        guard let mapped = mmap(address, Self.length, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0),
            mapped == address
        else { return nil }
        base = mapped
    }

    deinit { munmap(base, Self.length) }

    /// Bytes of the data area.
    var dataBytes: [UInt8] {
        get { Array(UnsafeRawBufferPointer(start: base + 0x4000, count: Self.dataSize)) }
        set { write(newValue, at: 0x4000) }
    }

    func word(_ offset: Int) -> UnsafeMutablePointer<UInt64> {
        (base + 0x1000 + offset).assumingMemoryBound(to: UInt64.self)
    }

    func run(_ code: [UInt8], _ state: CPUState) -> CPUState {
        for index in 0..<16 { word(index * 8).pointee = state.general[index] }
        word(128).pointee = state.flags
        for index in 0..<32 { word(256 + index * 8).pointee = state.vectors[index] }
        write(prologue(), at: 0)
        write(code + epilogue(), at: 0x200)
        typealias Entry = @convention(c) () -> Void
        unsafeBitCast(base, to: Entry.self)()
        var result = CPUState()
        for index in 0..<16 { result.general[index] = word(index * 8).pointee }
        result.flags = word(128).pointee
        for index in 0..<32 { result.vectors[index] = word(256 + index * 8).pointee }
        return result
    }

    func write(_ bytes: [UInt8], at offset: Int) {
        bytes.withUnsafeBytes { buffer in
            if let source = buffer.baseAddress { (base + offset).copyMemory(from: source, byteCount: buffer.count) }
        }
    }

    func bytes32(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
    func bytes64(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
    }

    /// Saves the caller's registers, loads everything from the context page, and goes to the code under test.
    private func prologue() -> [UInt8] {
        var code: [UInt8] = [0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57]
        code += [0x48, 0xBF] + bytes64(Self.contextPage)
        code += [0x48, 0x89, 0xA7] + bytes32(136)
        for register in 0..<16 {
            // movdqu xmm, [rdi + offset]
            code += [0xF3] + (register >= 8 ? [0x44] : []) + [0x0F, 0x6F, 0x87 | UInt8(register & 7) << 3]
            code += bytes32(256 + register * 16)
        }
        code += [0xFF, 0xB7] + bytes32(128) + [0x9D]
        for register in 0..<16 where register != 7 && register != 4 { code += move(load: true, register) }
        code += move(load: true, 4) + move(load: true, 7)
        // jmp codeStart
        let displacement = 0x200 - (code.count + 5)
        return code + [0xE9] + bytes32(displacement)
    }

    /// mov between a register and the context page in RDI (load) or RAX (store).
    private func move(load: Bool, _ register: Int) -> [UInt8] {
        [UInt8(0x48 | (register >= 8 ? 4 : 0)), load ? 0x8B : 0x89, (load ? 0x87 : 0x80) | UInt8(register & 7) << 3]
            + bytes32(register * 8)
    }

    private func epilogue() -> [UInt8] {
        var code: [UInt8] = [0x48, 0xA3] + bytes64(Self.contextPage)
        code += [0x48, 0xB8] + bytes64(Self.contextPage)
        for register in 1..<16 { code += move(load: false, register) }
        code += [0x48, 0x8B, 0xA0] + bytes32(136)
        // pushfq; pop [rax + 128]; cld
        code += [0x9C, 0x8F, 0x80] + bytes32(128) + [0xFC]
        for register in 0..<16 {
            code += [0xF3] + (register >= 8 ? [0x44] : []) + [0x0F, 0x7F, 0x80 | UInt8(register & 7) << 3]
            code += bytes32(256 + register * 16)
        }
        return code + [0x41, 0x5F, 0x41, 0x5E, 0x41, 0x5D, 0x41, 0x5C, 0x5D, 0x5B, 0xC3]
    }
}

/// A seeded generator of operands: many special values, some random.
struct OperandGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    mutating func below(_ limit: UInt64) -> UInt64 { next() % limit }

    mutating func operand() -> UInt64 {
        let special: [UInt64] = [
            0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
            0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, ~0, ~1, 0x5555_5555_5555_5555,
        ]
        switch below(4) {
        case 0: return special[Int(below(UInt64(special.count)))]
        case 1: return next() >> below(64)
        case 2: return special[Int(below(UInt64(special.count)))] &+ (next() & 3)
        default: return next()
        }
    }
}
