import Machine
import Testing
import X86

/// INIT and start-up interrupts (Intel SDM volume 3, 9.4.4): a guest of bare code wakes its other processors, which go from real-address to
/// protected to long mode and count with the first one under a lock.
@Suite struct StartUpTests {
    private static let code: UInt64 = 0x10_0000
    private static let apic: UInt64 = 0xFEE0_0000
    /// Page of the code that the others start with, and so its vector.
    private static let start: UInt64 = 0xE000
    private static let vector = 0x0E
    /// Lock, counter, processors that are done, and the sum of what they have seen.
    private static let shared: UInt64 = 0x20_0000
    private static let rounds: UInt64 = 300
    private static let limit: UInt64 = 50_000_000

    /// Real-address mode at CS:IP 0E00:0000; the page has its own descriptors. What registers hold then is noted in the page.
    private static let startUp = """
        start:
        .code16
        mov ax, cs
        mov ds, ax
        mov [0xF00], ax
        mov [0xF02], edx
        mov eax, cr0
        mov [0xF06], eax
        lock inc dword ptr [0xF10]
        .att_syntax
        lgdtl table - start
        .intel_syntax noprefix
        or eax, 1
        mov cr0, eax
        .att_syntax
        ljmpl $8, $(0xE000 + protected - start)
        .intel_syntax noprefix
        .code32
        protected:
        mov ax, 0x10
        mov ds, ax
        mov ss, ax
        mov es, ax
        mov eax, 0x220
        mov cr4, eax
        mov eax, 0x1000
        mov cr3, eax
        mov ecx, 0xC0000080
        xor edx, edx
        mov eax, 0x901
        wrmsr
        mov eax, 0x80000031
        mov cr0, eax
        .att_syntax
        ljmpl $0x18, $(0xE000 + long - start)
        .intel_syntax noprefix
        .code64
        long:
        mov eax, 0x180000
        jmp rax
        .balign 8
        descriptors:
        .quad 0, 0x00CF9A000000FFFF, 0x00CF92000000FFFF, 0x00AF9A000000FFFF
        table:
        .word 31
        .long 0xE000 + descriptors - start
        """

    /// What all processors do in the end: so many rounds of lock, read, think, write, unlock.
    private static let work = """
        mov rbx, 0x200000
        mov r8d, \(rounds)
        1: mov ecx, 1
        2: xor eax, eax
        lock cmpxchg [rbx], ecx
        je 3f
        pause
        jmp 2b
        3: mov rdx, [rbx+8]
        lea rdx, [rdx+1]
        imul rsi, rdx, 7
        mov [rbx+8], rdx
        mov dword ptr [rbx], 0
        dec r8d
        jnz 1b
        lock inc dword ptr [rbx+16]
        """

    private func guest(command: String, busy: Bool) throws -> LongModeGuest {
        var guest = LongModeGuest()
        for page in [Self.code, 0x18_0000, Self.shared] as [UInt64] { guest.map(page, to: page) }
        guest.map(Self.apic, to: Self.apic)
        guest.write(Self.start, try Assembler.program(Self.startUp))
        // The others begin here, too, as they might after another kernel: asleep or busy.
        let rest = busy ? "9: pause\njmp 9b" : "cli\nhlt"
        guest.write(
            Self.code,
            try Assembler.program(
                """
                mov r14, 0xfee00000
                mov dword ptr [r14+0xf0], 0x1ff
                mov eax, [r14+0x20]
                shr eax, 24
                jz 0f
                \(rest)
                0: mov ecx, 3000
                1: dec ecx
                jnz 1b
                \(command)
                \(Self.work)
                4: pause
                mov eax, [rbx+16]
                cmp eax, r15d
                jne 4b
                .byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53

                """))
        guest.write(0x18_0000, try Assembler.program(Self.work + "\ncli\n5: hlt\njmp 5b\n"))
        guest.state.rip = Self.code
        guest.state.general[4] = LongModeGuest.kernelStack + 0x800
        return guest
    }

    /// INIT, a wait, and two start-up messages to all others (shorthand 3).
    private static let toAll = """
        mov dword ptr [r14+0x300], 0xC4500
        mov ecx, 10000
        1: dec ecx
        jnz 1b
        mov dword ptr [r14+0x300], 0xC4600 | \(vector)
        mov ecx, 2000
        1: dec ecx
        jnz 1b
        mov dword ptr [r14+0x300], 0xC4600 | \(vector)

        """

    /// The same to one processor after the other, by APIC ID, with the de-assertion that old processors want.
    private static func toEach(_ count: Int) -> String {
        (1..<count).map { id in
            """
            mov dword ptr [r14+0x310], \(id << 24)
            mov dword ptr [r14+0x300], 0xC500
            mov ecx, 1000
            1: dec ecx
            jnz 1b
            mov dword ptr [r14+0x310], \(id << 24)
            mov dword ptr [r14+0x300], 0x8500
            mov dword ptr [r14+0x310], \(id << 24)
            mov dword ptr [r14+0x300], 0x4600 | \(vector)
            mov dword ptr [r14+0x310], \(id << 24)
            mov dword ptr [r14+0x300], 0x4600 | \(vector)

            """
        }.joined()
    }

    private func finish(_ machine: Machine, step: UInt64 = 1_000_000) -> Exit {
        while machine.virtualTime < Self.limit {
            switch machine.runAll(until: machine.virtualTime + step) {
            case .budget: continue
            case .idle(let time): machine.skipIdleTime(to: time)
            case let exit: return exit
            }
        }
        return .budget
    }

    private func word(_ machine: Machine, _ address: UInt64, _ count: Int = 4) throws -> UInt64 {
        try machine.readPhysical(address, count: count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Everything that a run leaves: processors, written memory, counts.
    private func digest(_ machine: Machine) throws -> UInt64 {
        var sum: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ value: UInt64) { sum = (sum ^ value) &* 0x100_0000_01B3 }
        for processor in machine.processors {
            for slot in 0..<Slot.guestCount where slot != Int(Slot.immediate.rawValue) { add(processor.slots[slot]) }
            let system = processor.system.pointee
            for value in [system.cr0, system.cr3, system.cr4, system.efer, system.systemFlags, system.retired] {
                add(value)
            }
            for segment in 0..<6 { add(UInt64(system.segments[segment].selector)) }
        }
        add(machine.virtualTime)
        try machine.forEachWrittenPage { address, bytes in
            add(address)
            for byte in bytes { add(UInt64(byte)) }
        }
        return sum
    }

    @Test(arguments: [2, 4], [false, true])
    func processorsStart(count: Int, isBusy: Bool) throws {
        for command in [Self.toAll, Self.toEach(count)] {
            let guest = try guest(command: "mov r15d, \(count)\n" + command, busy: isBusy)
            for (quantum, seed) in [(20_000, 1), (20_000, 2), (1_000, 1), (137, 3), (1_000_000, 1)]
                as [(UInt64, UInt64)]
            {
                var digests: [UInt64] = []
                for (usesMachineCode, step) in [(true, 1_000_000), (false, 1_000_000), (true, 4_321)]
                    as [(Bool, UInt64)]
                {
                    var options = MachineOptions.wholeMachine
                    options.quantum = quantum
                    options.randomSeed = seed
                    options.usesMachineCode = usesMachineCode
                    let machine = try guest.machine(options: options, processors: count)
                    #expect(finish(machine, step: step) == .hypercall(number: 1))
                    #expect(machine.activeProcessor == 0)
                    // No addition was lost, and each processor has come once.
                    #expect(try word(machine, Self.shared + 8, 8) == Self.rounds * UInt64(count))
                    #expect(try word(machine, Self.shared + 16) == UInt64(count))
                    #expect(try word(machine, Self.start + 0xF10) == UInt64(count - 1))
                    for processor in machine.processors.dropFirst() {
                        #expect(processor.system.isLongCode && processor[.rip] >> 12 == 0x180)
                    }
                    digests.append(try digest(machine))
                }
                #expect(Set(digests).count == 1, "quantum \(quantum): \(digests)")
            }
        }
    }

    /// After INIT a processor is in real-address mode with caching off as before, at the page that the message named.
    @Test func theStateAfterTheStart() throws {
        let guest = try guest(command: "mov r15d, 2\n" + Self.toAll, busy: true)
        let machine = try guest.machine(options: .wholeMachine, processors: 2)
        #expect(finish(machine) == .hypercall(number: 1))
        #expect(try word(machine, Self.start + 0xF00, 2) == UInt64(Self.vector) << 8)
        // Family and model in EDX; CR0 without PE, PG and all else but ET.
        #expect(try word(machine, Self.start + 0xF02) == 0xF00)
        #expect(try word(machine, Self.start + 0xF06) == 0x10)
    }

    /// A start-up message without INIT before it does nothing to a processor that runs.
    @Test func aStartUpWithoutInitializationIsIgnored() throws {
        let guest = try guest(
            command: """
                mov dword ptr [r14+0x300], 0xC4600 | \(Self.vector)
                mov ecx, 50000
                1: dec ecx
                jnz 1b
                mov r15d, 1

                """, busy: true)
        let machine = try guest.machine(options: .wholeMachine, processors: 2)
        #expect(finish(machine) == .hypercall(number: 1))
        #expect(try word(machine, Self.start + 0xF10) == 0)
        #expect(machine.processors[1][.rip] >> 12 == Self.code >> 12)
    }

    /// The message's vector is the page: another processor may start elsewhere, and one that runs may be started again.
    @Test func processorsStartAgain() throws {
        let guest = try guest(
            command: """
                mov r15d, 2
                mov r13d, 3
                6: mov dword ptr [r14+0x300], 0xC4500
                mov dword ptr [r14+0x300], 0xC4600 | \(Self.vector)
                mov ecx, 40000
                1: dec ecx
                jnz 1b
                dec r13d
                jnz 6b
                mov dword ptr [0x200010], 1

                """, busy: false)
        let machine = try guest.machine(options: .wholeMachine, processors: 2)
        #expect(finish(machine) == .hypercall(number: 1))
        #expect(try word(machine, Self.start + 0xF10) == 3)
        #expect(try word(machine, Self.shared + 8, 8) == Self.rounds * 4)
    }
}
