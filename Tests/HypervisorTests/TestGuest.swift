import Foundation

/// Guests of one sector that print `READY` and then `tick a`, `tick b`, ... on the first serial port.
///
/// The letter lives in a register, so a guest that goes on after a resume prints the next letter and not `READY`.
enum TestGuest {
    /// 16-bit code that works at any address.
    private static func code(writesDisk: Bool) -> [UInt8] {
        var code: [UInt8] = []
        func print(_ text: String) {
            for byte in text.utf8 { code += [0xb0, byte, 0xba, 0xf8, 0x03, 0xee] }  // mov; mov $0x3f8,%dx; out
        }
        if writesDisk {
            code += [0x31, 0xc0, 0x8e, 0xc0, 0xbb, 0x00, 0x7c]  // es:bx = 0:0x7c00
            code += [0xb8, 0x01, 0x03, 0xb9, 0x02, 0x00, 0xba, 0x80, 0x00]  // write 1 sector: cylinder 0, sector 2
            code += [0xcd, 0x13]  // int $0x13
        }
        print("READY\n")
        code += [0xb3, UInt8(ascii: "a")]  // mov $'a',%bl
        let loop = code.count
        print("tick ")
        code += [0x88, 0xd8, 0xba, 0xf8, 0x03, 0xee]  // mov %bl,%al; print it
        print("\n")
        code += [0xb9, 0x02, 0x00]  // mov $2,%cx
        code += [0xfb, 0xf4, 0x49, 0x75, 0xfb]  // 1: sti; hlt; dec %cx; jnz 1b
        code += [0xfe, 0xc3, 0x80, 0xfb, 0x7b, 0x72, 0x02, 0xb3, 0x61]  // next letter, 'a' after 'z'
        let distance = Int16(loop - (code.count + 3))
        code += [0xe9, UInt8(truncatingIfNeeded: distance), UInt8(truncatingIfNeeded: distance >> 8)]  // jmp loop
        return code
    }

    /// A disk of 1 MiB whose boot sector first copies itself to the second sector.
    static var disk: [UInt8] {
        var image = [UInt8](repeating: 0, count: 1 << 20)
        let code = code(writesDisk: true)
        image.replaceSubrange(0..<code.count, with: code)
        image[510] = 0x55
        image[511] = 0xaa
        return image
    }

    /// What a guest may do after `READY`, instead of ticking.
    enum Fate: String, CaseIterable {
        /// 1: hlt; jmp 1b, with interrupts off
        case halts
        /// 1: inc %bx; jmp 1b, with interrupts off
        case spins
        /// An interrupt table without entries (lidt of zeros on the stack), then int $0.
        case faults

        fileprivate var code: [UInt8] {
            switch self {
            case .halts: [0xf4, 0xeb, 0xfd]
            case .spins: [0x43, 0xeb, 0xfd]
            case .faults: [0x6a, 0x00, 0x6a, 0x00, 0x6a, 0x00, 0x89, 0xe5, 0x0f, 0x01, 0x5e, 0x00, 0xcd, 0x00]
            }
        }
    }

    /// A file for `-kernel` of a guest that meets its fate. Whoever reads `READY` knows that it has, or, if it will break off,
    /// that it will after a second.
    static func kernel(_ fate: Fate) -> [UInt8] {
        var code: [UInt8] = fate == .faults ? [] : [0xfa]  // cli
        for byte in "READY\n".utf8 { code += [0xb0, byte, 0xba, 0xf8, 0x03, 0xee] }
        if fate == .faults {
            code += [0xb9, 0x14, 0x00]  // mov $20,%cx
            code += [0xfb, 0xf4, 0x49, 0x75, 0xfb]  // 1: sti; hlt; dec %cx; jnz 1b
        }
        return kernel(code + fate.code)
    }

    static var kernel: [UInt8] { kernel(code(writesDisk: false)) }

    /// A file for `-kernel` by the Linux boot protocol (Documentation/arch/x86/boot.rst): only setup code.
    private static func kernel(_ code: [UInt8]) -> [UInt8] {
        var image = [UInt8](repeating: 0, count: 6 * 512)
        image[0x1f1] = 4  // setup_sects
        image[0x1fe] = 0x55
        image[0x1ff] = 0xaa
        image[0x200] = 0xeb  // jmp 0x280
        image[0x201] = 0x7e
        image.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
        image[0x206] = 0x0f  // protocol 2.15
        image[0x207] = 0x02
        image[0x211] = 0x01  // LOADED_HIGH
        image.replaceSubrange(0x280..<0x280 + code.count, with: code)
        return image
    }
}
