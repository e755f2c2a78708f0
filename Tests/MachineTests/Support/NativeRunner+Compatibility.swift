/// Runs 32-bit code: Linux has a flat 32-bit code segment for programs, selector 0x23, whatever the program's own mode.
extension NativeRunner {
    private static let entry: UInt64 = codePage + 0x180
    private static let leave: UInt64 = codePage + 0x800
    private static let scratchStack: UInt64 = contextPage + 0x2F00

    /// Registers 0-7 with 32 bits each, flags and the data area are those of `state`; vectors are not touched.
    func run32(_ code: [UInt8], _ state: CPUState) -> CPUState {
        for index in 0..<8 { word(index * 8).pointee = state.general[index] & 0xFFFF_FFFF }
        word(128).pointee = state.flags
        write(enter64(), at: 0)
        write(enter32(), at: 0x180)
        write(code + leave32(), at: 0x200)
        write(leave64(), at: 0x800)
        typealias Entry = @convention(c) () -> Void
        unsafeBitCast(base, to: Entry.self)()
        var result = state
        for index in 0..<8 { result.general[index] = word(index * 8).pointee & 0xFFFF_FFFF }
        result.flags = word(128).pointee & 0xFFFF_FFFF
        return result
    }

    private func address(_ value: UInt64) -> [UInt8] { bytes32(Int(value)) }

    /// push rbx rbp r12-r15; save RSP; DS and ES for 32-bit code; far return to `entry`.
    private func enter64() -> [UInt8] {
        [0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57]
            + [0x48, 0x89, 0x24, 0x25] + address(Self.contextPage + 136)
            + [0xBC] + address(Self.scratchStack) + [0xB8, 0x2B, 0, 0, 0, 0x8E, 0xD8, 0x8E, 0xC0]
            + [0x6A, 0x23, 0x68] + address(Self.entry) + [0x48, 0xCB]
    }

    /// mov edi, context; push [edi+128]; popfd; all registers; jmp codeStart.
    private func enter32() -> [UInt8] {
        var code: [UInt8] = [0xBF] + address(Self.contextPage) + [0xFF, 0xB7] + bytes32(128) + [0x9D]
        for register in [0, 1, 2, 3, 5, 6, 4, 7] {
            code += [0x8B, 0x87 | UInt8(register) << 3] + bytes32(register * 8)
        }
        return code + [0xE9] + bytes32(0x200 - (0x180 + code.count + 5))
    }

    private func leave32() -> [UInt8] {
        var code: [UInt8] = [0xA3] + address(Self.contextPage) + [0xB8] + address(Self.contextPage)
        for register in 1..<8 { code += [0x89, 0x80 | UInt8(register) << 3] + bytes32(register * 8) }
        code += [0xBC] + address(Self.scratchStack) + [0x9C, 0x8F, 0x80] + bytes32(128) + [0xFC]
        return code + [0xEA] + address(Self.leave) + [0x33, 0]
    }

    /// DS and ES null again, the saved RSP, pop everything, ret.
    private func leave64() -> [UInt8] {
        [0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xC0, 0x48, 0x8B, 0x24, 0x25] + address(Self.contextPage + 136)
            + [0x41, 0x5F, 0x41, 0x5E, 0x41, 0x5D, 0x41, 0x5C, 0x5D, 0x5B, 0xC3]
    }
}
