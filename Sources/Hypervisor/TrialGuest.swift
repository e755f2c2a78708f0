/// A guest of a few hundred bytes that does what every 64-bit operating system does, and tells on the serial port how
/// far it came.
///
/// It exists because a `/dev/kvm` that opens says little. Some kernels provide one without hardware support and
/// interpret guests instruction by instruction: firmware and 32-bit guests run, long mode is entered, but exceptions,
/// user mode or mere speed are missing, and Linux hangs without a word. So the guest passes these ``Stage``s in order.
///
/// The image is a Multiboot 1 kernel with explicit load addresses (Multiboot 0.6.96, section 3.1). Page tables and
/// descriptor tables are part of the image; see Intel SDM volume 3, sections 3.4, 4.5, 6.14 and 7.7.
package enum TrialGuest {
    /// A step of the guest, in order; the raw value is the letter that it prints after the step.
    package enum Stage: Character, CaseIterable, Sendable {
        case longMode = "L"
        case vectorInstructions = "S"
        case exceptions = "B"
        case pageFaults = "P"
        case userMode = "U"
        case timerInterrupts = "T"
        case speed = "R"

        /// What a machine lacks that fails in this step.
        package var description: String {
            switch self {
            case .longMode: "64-bit mode"
            case .vectorInstructions: "SSE instructions"
            case .exceptions: "exceptions in 64-bit mode"
            case .pageFaults: "page faults"
            case .userMode: "user mode and system calls"
            case .timerInterrupts: "timer interrupts"
            case .speed: "execution at hardware speed"
            }
        }
    }

    /// Printed when every stage is passed.
    package static let passText = "trial passed"
    /// Printed when a stage gave a wrong result or an unexpected exception came.
    package static let failMark: Character = "!"

    private static let origin: UInt32 = 0x10_0000
    private static let interruptTable: UInt32 = 0x10_1000
    private static let tables: UInt32 = 0x10_2000
    private static let pageMapLevel4: UInt32 = 0x10_3000
    private static let pageDirectoryPointers: UInt32 = 0x10_4000
    private static let pageDirectory: UInt32 = 0x10_5000
    private static let end: UInt32 = 0x10_6000
    private static let kernelStack: UInt32 = 0x11_0000
    private static let userStack: UInt32 = 0x11_8000
    /// The stack for interrupts from user mode.
    private static let interruptStack: UInt32 = 0x11_4000
    /// A page that is not mapped before the page fault.
    private static let absentPage: UInt32 = 0x200_0000
    /// Iterations of two instructions: 20 ms on a CPU, most of a minute when each instruction is interpreted by KVM.
    private static let loopCount: UInt32 = 30_000_000

    // Selectors; their order is what SYSCALL and SYSRET ask for.
    private static let kernelCode: UInt8 = 0x08
    private static let kernelData: UInt8 = 0x10
    private static let userData: UInt8 = 0x1b
    private static let userCode: UInt8 = 0x23
    private static let task: UInt8 = 0x28

    /// The image: a file for `-kernel`.
    package static func image() throws(HypervisorError) -> [UInt8] {
        let (code, labels) = try self.code().linked()
        var image = [UInt8](repeating: 0, count: Int(end - origin))
        func put(_ bytes: [UInt8], at address: UInt32) {
            let start = Int(address - origin)
            image.replaceSubrange(start..<start + bytes.count, with: bytes)
        }
        func put(_ value: UInt64, at address: UInt32) {
            put((0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }, at: address)
        }
        put(code, at: origin)

        // Interrupt gates (type 0xe), present; vector 0x80 may be raised by user mode (DPL 3).
        for vector in UInt32(0)..<256 {
            let name =
                switch vector {
                case 3: "breakpoint"
                case 14: "page fault"
                case 0x20: "timer"
                case 0x80: "user call"
                default: "fail"
                }
            let handler = UInt64(labels[name] ?? 0)
            let access: UInt64 = vector == 0x80 ? 0xee00 : 0x8e00
            put(
                handler & 0xffff | UInt64(kernelCode) << 16 | access << 32 | (handler >> 16) << 48,
                at: interruptTable + vector * 16)
        }
        // Segments: null, kernel code (64-bit), kernel data, user data, user code, and the 16-byte TSS descriptor.
        let taskSegment = tables + 0x100
        for (index, descriptor) in [
            0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff,
            0x0000_8900_0000_0067 | UInt64(taskSegment & 0xff_ffff) << 16, 0,
        ].enumerated() {
            put(UInt64(descriptor), at: tables + UInt32(index) * 8)
        }
        put(UInt64(0x37) | UInt64(tables) << 16, at: tables + 0x80)  // operand of LGDT
        put(UInt64(0xfff) | UInt64(interruptTable) << 16, at: tables + 0x90)  // operand of LIDT
        put(UInt64(interruptStack), at: taskSegment + 4)  // RSP0
        // The first GiB at its own address in pages of 2 MiB; 7 = present, writable, user; 0x80 = large page.
        put(UInt64(pageDirectoryPointers) | 7, at: pageMapLevel4)
        put(UInt64(pageDirectory) | 7, at: pageDirectoryPointers)
        for index in UInt32(0)..<512 where index << 21 != absentPage {
            put(UInt64(index) << 21 | 0x87, at: pageDirectory + index * 8)
        }
        return image
    }

    private static func code() -> MachineCode {
        var code = MachineCode(origin: origin)
        // Multiboot header: magic, flag 16 (addresses follow), checksum; header, load, load end, bss end, entry.
        code.emit(constant: 0x1bad_b002)
        code.emit(constant: 0x0001_0000)
        code.emit(constant: 0 &- 0x1bad_b002 &- 0x0001_0000)
        code.emit(constant: origin)
        code.emit(constant: origin)
        code.emit(constant: 0)
        code.emit(constant: 0)
        code.emit(addressOf: "entry")
        enterLongMode(&code)
        vectorInstructions(&code)
        exceptions(&code)
        userMode(&code)
        timer(&code)
        loop(&code)
        subroutines(&code)
        return code
    }

    /// Prints the letter of a stage.
    private static func pass(_ stage: Stage, _ code: inout MachineCode) {
        code.emit(0xb0, stage.rawValue.asciiValue ?? 0)  // mov $letter,%al
        code.emit(0xe8, to: "print")  // call print
    }

    private static func enterLongMode(_ code: inout MachineCode) {
        code.label("entry")
        code.emit(0xfa)  // cli
        code.emit(0x0f, 0x01, 0x15, constant: tables + 0x80)  // lgdt
        code.emit(0x0f, 0x20, 0xe0)  // mov %cr4,%eax
        code.emit(0x0d, constant: 0x620)  // or: PAE, OSFXSR, OSXMMEXCPT
        code.emit(0x0f, 0x22, 0xe0)  // mov %eax,%cr4
        code.emit(0xb8, constant: pageMapLevel4)  // mov $...,%eax
        code.emit(0x0f, 0x22, 0xd8)  // mov %eax,%cr3
        code.emit(0xb9, constant: 0xc000_0080)  // mov $EFER,%ecx
        code.emit(0x0f, 0x32)  // rdmsr
        code.emit(0x0d, constant: 0x101)  // or: SCE, LME
        code.emit(0x0f, 0x30)  // wrmsr
        code.emit(0x0f, 0x20, 0xc0)  // mov %cr0,%eax
        code.emit(0x25, constant: ~0xc)  // and: not EM, TS
        code.emit(0x0d, constant: 0x8001_0003)  // or: PG, WP, MP, PE
        code.emit(0x0f, 0x22, 0xc0)  // mov %eax,%cr0
        code.emit(0xea, addressOf: "long")  // ljmp $kernelCode,$long
        code.emit(kernelCode, 0)

        code.label("long")
        code.emit(0xb8, constant: UInt32(kernelData))  // mov $...,%eax
        code.emit(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0)  // mov %eax,%ds; %es; %ss
        code.emit(0xbc, constant: kernelStack)  // mov $...,%esp
        code.emit(0x0f, 0x01, 0x1c, 0x25, constant: tables + 0x90)  // lidt
        code.emit(0xb8, constant: UInt32(task))  // mov $...,%eax
        code.emit(0x0f, 0x00, 0xd8)  // ltr %ax
        pass(.longMode, &code)
    }

    private static func vectorInstructions(_ code: inout MachineCode) {
        code.emit(0xb8, constant: 0x0123_4567)  // mov $...,%eax
        code.emit(0x66, 0x0f, 0x6e, 0xc0)  // movd %eax,%xmm0
        code.emit(0x66, 0x0f, 0x70, 0xc0, 0x00)  // pshufd $0,%xmm0,%xmm0
        code.emit(0x66, 0x0f, 0xfe, 0xc0)  // paddd %xmm0,%xmm0
        code.emit(0x66, 0x0f, 0x7e, 0xc1)  // movd %xmm0,%ecx
        code.emit(0x81, 0xf9, constant: 0x0246_8ace)  // cmp $...,%ecx
        code.emit(0x0f, 0x85, to: "fail")  // jne
        pass(.vectorInstructions, &code)
    }

    /// EBX counts the handlers that ran.
    private static func exceptions(_ code: inout MachineCode) {
        code.emit(0x31, 0xdb)  // xor %ebx,%ebx
        code.emit(0xcc)  // int3
        code.emit(0x83, 0xfb, 1)  // cmp $1,%ebx
        code.emit(0x0f, 0x85, to: "fail")  // jne
        pass(.exceptions, &code)
        code.emit(0xbe, constant: absentPage)  // mov $...,%esi
        code.emit(0x8b, 0x06)  // mov (%rsi),%eax
        code.emit(0x83, 0xfb, 2)  // cmp $2,%ebx
        code.emit(0x0f, 0x85, to: "fail")  // jne
        pass(.pageFaults, &code)
    }

    private static func userMode(_ code: inout MachineCode) {
        func writeMSR(_ number: UInt32, high: UInt32) {
            code.emit(0xba, constant: high)  // mov $...,%edx
            code.emit(0xb9, constant: number)  // mov $...,%ecx
            code.emit(0x0f, 0x30)  // wrmsr
        }
        code.emit(0x31, 0xc0)  // xor %eax,%eax
        writeMSR(0xc000_0081, high: 0x0010_0008)  // STAR: SYSRET base, SYSCALL base
        code.emit(0xb8, addressOf: "system call")  // mov $...,%eax
        writeMSR(0xc000_0082, high: 0)  // LSTAR
        code.emit(0xb8, constant: 0x200)  // mov $IF,%eax
        writeMSR(0xc000_0084, high: 0)  // FMASK
        code.emit(0x6a, userData)  // push: SS
        code.emit(0x68, constant: userStack)  // push: RSP
        code.emit(0x6a, 0x02)  // push: RFLAGS
        code.emit(0x6a, userCode)  // push: CS
        code.emit(0x68, addressOf: "user")  // push: RIP
        code.emit(0x48, 0xcf)  // iretq

        code.label("user")
        code.emit(0x8c, 0xc8)  // mov %cs,%eax
        code.emit(0x24, 3, 0x3c, 3)  // and $3,%al; cmp $3,%al
        code.emit(0x0f, 0x85, to: "user fail")  // jne
        code.emit(0x0f, 0x05)  // syscall
        code.emit(0x83, 0xfb, 3)  // cmp $3,%ebx
        code.emit(0x0f, 0x85, to: "user fail")  // jne
        code.emit(0xcd, 0x80)  // int $0x80
        code.label("user fail")
        code.emit(0x0f, 0x0b)  // ud2

        // User mode ends here: the interrupt has switched to the stack of the TSS.
        code.label("user call")
        code.emit(0xbc, constant: kernelStack)  // mov $...,%esp
        code.emit(0xb8, constant: UInt32(kernelData))  // mov $...,%eax
        code.emit(0x8e, 0xd0)  // mov %eax,%ss
        pass(.userMode, &code)
    }

    /// Three ticks of the 8254 through the 8259, waited for with HLT.
    private static func timer(_ code: inout MachineCode) {
        for (port, value): (UInt8, UInt8) in [
            // 8259: ICW1-4 (vectors 0x20 and 0x28), then only interrupt 0 unmasked.
            (0x20, 0x11), (0xa0, 0x11), (0x21, 0x20), (0xa1, 0x28), (0x21, 4), (0xa1, 2), (0x21, 1), (0xa1, 1),
            (0x21, 0xfe), (0xa1, 0xff),
            // 8254: counter 0, mode 2, 1193182 Hz / 11932 = 100 Hz.
            (0x43, 0x34), (0x40, 0x9c), (0x40, 0x2e),
        ] {
            code.emit(0xb0, value, 0xe6, port)  // mov $value,%al; out %al,$port
        }
        code.emit(0x31, 0xdb)  // xor %ebx,%ebx
        code.label("tick")
        code.emit(0xfb, 0xf4, 0xfa)  // sti; hlt; cli
        code.emit(0x83, 0xfb, 3)  // cmp $3,%ebx
        code.emit(0x0f, 0x82, to: "tick")  // jb
        pass(.timerInterrupts, &code)
    }

    private static func loop(_ code: inout MachineCode) {
        code.emit(0xb9, constant: loopCount)  // mov $...,%ecx
        code.emit(0xff, 0xc9, 0x75, 0xfc)  // 1: dec %ecx; jnz 1b
        pass(.speed, &code)
        code.emit(0xbe, addressOf: "text")  // mov $...,%esi
        code.label("next")
        code.emit(0xac, 0x84, 0xc0)  // lodsb; test %al,%al
        code.emit(0x0f, 0x84, to: "halt")  // jz
        code.emit(0xe8, to: "print")  // call
        code.emit(0xe9, to: "next")  // jmp
    }

    private static func subroutines(_ code: inout MachineCode) {
        code.label("fail")
        code.emit(0xb0, failMark.asciiValue ?? 0)  // mov $'!',%al
        code.emit(0xe8, to: "print")  // call
        code.label("halt")
        code.emit(0xfa, 0xf4)  // cli; hlt
        code.emit(0xe9, to: "halt")  // jmp

        code.label("print")
        code.emit(0x66, 0xba, 0xf8, 0x03)  // mov $0x3f8,%dx
        code.emit(0xee, 0xc3)  // out %al,%dx; ret

        code.label("breakpoint")
        code.emit(0xff, 0xc3, 0x48, 0xcf)  // inc %ebx; iretq

        code.label("page fault")
        code.emit(0x0f, 0x20, 0xd0)  // mov %cr2,%rax
        code.emit(0x48, 0x39, 0xf0)  // cmp %rsi,%rax
        code.emit(0x0f, 0x85, to: "fail")  // jne
        let entry = pageDirectory + (absentPage >> 21) * 8
        code.emit(0xc7, 0x04, 0x25, constant: entry)  // movl $page,entry
        code.emit(constant: absentPage | 0x87)
        code.emit(0x0f, 0x01, 0x38)  // invlpg (%rax)
        code.emit(0x48, 0x83, 0xc4, 0x08)  // add $8,%rsp: the error code
        code.emit(0xff, 0xc3, 0x48, 0xcf)  // inc %ebx; iretq

        code.label("system call")
        code.emit(0xff, 0xc3, 0x48, 0x0f, 0x07)  // inc %ebx; sysretq

        code.label("timer")
        code.emit(0xff, 0xc3)  // inc %ebx
        code.emit(0xb0, 0x20, 0xe6, 0x20)  // end of interrupt to the 8259
        code.emit(0x48, 0xcf)  // iretq

        code.label("text")
        for byte in "\n\(passText)\n".utf8 { code.emit(byte) }
        code.emit(0)
    }
}
