import Machine
import PCDevices
import VMState

/// A guest of two processors that sleep and wake up by the timers of their local APICs. With each tick the first one writes a sector of
/// its disk, reads another, and prints a letter; both count in memory.
enum DeviceGuest {
    private static let code: UInt64 = 0x10_0000
    private static let handler: UInt64 = 0x10_1000
    private static let apic: UInt64 = 0xFEE0_0000
    /// Where the processors count, 8 bytes each.
    static let counters: UInt64 = 0x12_0000
    private static let descriptors: UInt64 = 0x20_0000
    /// Headers of the two requests, and where their data and status are.
    private static let header: UInt64 = 0x21_0000
    static let written: UInt64 = 0x22_0000
    static let read: UInt64 = 0x23_0000

    /// The disk's sector n is full of the byte n.
    struct Storage: BlockStorage {
        var byteCount: UInt64 { 1 << 20 }

        func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
            for index in 0..<buffer.count {
                buffer[index] = UInt8(truncatingIfNeeded: (offset + UInt64(index)) / 512)
            }
        }
    }

    static func machine(_ change: (inout MachineOptions) -> Void = { _ in }) throws -> Machine {
        var guest = LongModeGuest()
        for page in [code, handler, apic, counters, descriptors, descriptors + 0x1000, descriptors + 0x2000, header] {
            guest.map(page, to: page)
        }
        for page in [written, read] { guest.map(page, to: page) }
        guest.write(code, try Assembler.program(program))
        guest.write(handler, try Assembler.program("inc r15\nmov r14, 0xfee00000\nmov dword ptr [r14+0xb0], 0\niretq"))
        guest.setGate(0x40, handler)
        // Request 0 writes a sector, request 1 reads one: header, data, status.
        for (request, kind, data, flags) in [(UInt64(0), UInt64(1), written, UInt64(1)), (1, 0, read, 3)] {
            let first = request * 3
            let place = header + request * 0x100
            guest.put(place, kind)
            describe(&guest, first, place, 16, flags: 1, next: first + 1)
            describe(&guest, first + 1, data, 512, flags: flags, next: first + 2)
            describe(&guest, first + 2, place + 0x80, 1, flags: 2, next: 0)
        }
        guest.state.rip = code
        guest.state.general[4] = LongModeGuest.kernelStack + 0x800
        var options = MachineOptions.wholeMachine
        change(&options)
        let machine = try guest.machine(options: options, processors: 2)
        machine.processors[1][.rsp] = LongModeGuest.faultStack + 0x800
        machine.install(try PCIBus(sections()), disks: [Storage()])
        return machine
    }

    /// A descriptor of the split ring (virtio 1.1, 2.6.5).
    private static func describe(
        _ guest: inout LongModeGuest, _ number: UInt64, _ address: UInt64, _ count: UInt64, flags: UInt64, next: UInt64
    ) {
        guest.put(descriptors + number * 16, address)
        guest.put(descriptors + number * 16 + 8, count | flags << 32 | next << 48)
    }

    /// The legacy interface of the block device is at port 0xC000; its ring of 256 entries begins at `descriptors`.
    private static let program = """
        mov r14, 0xfee00000
        mov dword ptr [r14+0xf0], 0x1ff
        mov dword ptr [r14+0x3e0], 0xb
        mov dword ptr [r14+0x320], 0x20040
        mov ebx, [r14+0x20]
        shr ebx, 24
        jnz 2f
        mov eax, 0x80002098
        mov dx, 0xcf8
        out dx, eax
        xor eax, eax
        mov dx, 0xcfc
        out dx, eax
        mov eax, 0x80002004
        mov dx, 0xcf8
        out dx, eax
        mov ax, 7
        mov dx, 0xcfc
        out dx, ax
        mov dx, 0xc012
        xor eax, eax
        out dx, al
        mov al, 3
        out dx, al
        xor eax, eax
        mov dx, 0xc00e
        out dx, ax
        mov eax, 0x200
        mov dx, 0xc008
        out dx, eax
        mov al, 7
        mov dx, 0xc012
        out dx, al
        2:
        mov eax, 30000
        lea ecx, [rbx*8]
        imul ecx, ecx, 1100
        sub eax, ecx
        mov dword ptr [r14+0x380], eax
        mov edi, 0x120000
        mov r8d, 0x200000
        mov r9d, 0x210000
        3:
        sti
        hlt
        inc qword ptr [rdi+rbx*8]
        test ebx, ebx
        jnz 3b
        mov rax, [rdi]
        mov ecx, eax
        and ecx, 63
        imul ecx, ecx, 9
        mov [r9+8], rcx
        inc ecx
        mov [r9+0x108], rcx
        rdtsc
        mov [0x220000], eax
        mov [0x220008], r15
        movzx ecx, word ptr [r8+0x1002]
        mov esi, ecx
        and esi, 255
        mov word ptr [r8+rsi*2+0x1004], 0
        inc ecx
        mov esi, ecx
        and esi, 255
        mov word ptr [r8+rsi*2+0x1004], 3
        inc ecx
        mov [r8+0x1002], cx
        xor eax, eax
        mov dx, 0xc010
        out dx, ax
        mov al, [rdi]
        and al, 15
        add al, 0x41
        mov dx, 0x3f8
        out dx, al
        jmp 3b

        """

    /// A `pc` with one block device at slot 4, as QEMU 7.2 saves it after Linux has driven it.
    private static func sections() throws -> [DeviceSection] {
        var block = [UInt8](repeating: 0, count: 45637)
        for (offset, digits) in runs {
            let nibbles = digits.utf8.map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x57 }
            for index in 0..<nibbles.count / 2 {
                block[offset + index] = nibbles[2 * index] << 4 | nibbles[2 * index + 1]
            }
        }
        let entry =
            #"{"name": "0000:00:04.0/virtio-blk", "instance_id": 0, "vmsd_name": "virtio-blk", "version": 2, "#
            + #""fields": [{"name": "virtio", "type": "virtio", "size": 45637}]}"#
        return [try DeviceSection(description: entry, payload: block)]
    }

    private static let runs: [(Int, String)] = [
        (
            3,
            "02f41a011007051000000000010000000001c0000000f0bffe00000000000000000c80bffe0000000000000000f41a0200"
                + "0000000098000000000000000b01000009001001040000000000000000100000094010030400000000100000001000"
                + "0009501004040000000020000000100000096014020400000000300000001000000400000009701405"
        ), (156, "11840280010000000108"),
        (
            276,
            "0410e0fe0000000024000000000000000410e0fe0000000023000000000000000420e0fe0000000024000000000000000000"
                + "000f01000130007e5400000039000002000000000000000000fe0000008200103f0002000000000000000000000100"
                + "0200ffff3f000100000001000000ffff3f00010000000100000002000001000000000002988000000700010000010000"
                + "000000029860000000000200051576697274696f2f36346269745f6665617475726573000000010000010130007e54"
                + "051176697274696f2f76697274717565756573000000010000000002989000000000000298924000000000029870000000"
                + "000002987240"
        ),
        (
            16875,
            "051276697274696f2f65787472615f737461746500000001051776697274696f5f7063692f6d6f6465726e5f7374617465"
                + "00000001000000010000000130007e540000010101000001029880000000000002989000000000000298924000000000"
                + "010000010298600000000000029870000000000002987240"
        ), (45616, "050e76697274696f2f737461727465640000000101"),
    ]
}
