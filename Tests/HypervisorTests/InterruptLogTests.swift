import Hypervisor
import Testing

/// QEMU's texts about interrupts and CPUs.
@Suite struct InterruptLogTests {
    private static let log = """
        Servicing hardware INT=0xec
             0: v=ec e=0000 i=0 cpl=0 IP=0010:ffffffff81a0c2ee pc=ffffffff81a0c2ee SP=0018:ffffffff82e03e50 env->regs[R_EAX]=00
        RAX=0000000000000000 RBX=0000000000000000
        check_exception old: 0xffffffff new 0x6
             1: v=06 e=0000 i=0 cpl=0 IP=0010:ffffffff81069f14 pc=ffffffff81069f14 SP=0018:ffffc900000b3e50 env->regs[R_EAX]=0a
             2: v=06 e=0000 i=0 cpl=3 IP=0033:00007f0000001000 pc=00007f0000001000 SP=002b:00007ffd env->regs[R_EAX]=0a
             3: v=06 e=0000 i=0 cpl=3 IP=0033:00007f0000001000 pc=00007f0000001000 SP=002b:00007ffd env->regs[R_EAX]=0a
             4: v=0e e=0006 i=0 cpl=3 IP=0033:00007f0000002000 pc=00007f0000002000 SP=002b:00007ffd CR2=0000000000000000
             5: v=80 e=0000 i=1 cpl=3 IP=0033:00007f0000002000 pc=00007f0000002000 SP=002b:00007ffd env->regs[R_EAX]=0a
        Triple fault
        Servicing hardware INT=0x30

        """

    @Test(arguments: [1, 7, 100, 100_000]) func counts(pieceLength: Int) {
        var log = InterruptLog()
        let bytes = Array(Self.log.utf8)
        for start in stride(from: 0, to: bytes.count, by: pieceLength) {
            log.feed(Array(bytes[start..<min(start + pieceLength, bytes.count)]))
        }
        #expect(log.interrupts == [0xec: 1, 0x30: 1])
        #expect(log.exceptions == [6: 3, 14: 1])
        #expect(log.hasTripleFault)
        #expect(log.invalidOpcodes.count == 2)
        #expect(log.invalidOpcodes.first?.address == 0xffff_ffff_8106_9f14)
        #expect(log.invalidOpcodes.first?.isUser == false)
        #expect(log.invalidOpcodes.last?.count == 2)
        #expect(log.invalidOpcodes.last?.isUser == true)
    }

    @Test func endlessLinesAndManyPlacesAreBounded() {
        var log = InterruptLog()
        log.feed([UInt8](repeating: 0x41, count: 1 << 20))
        log.feed(Array("\nServicing hardware INT=0xzz\nServicing hardware INT=0x\n     9: v=zz IP=\n".utf8))
        #expect(log.interrupts.isEmpty && log.exceptions.isEmpty)
        for address in 0..<1000 { log.feed(Array("  1: v=06 e=0000 i=0 cpl=3 IP=0033:\(address)\n".utf8)) }
        #expect(log.exceptions == [6: 1000])
        #expect(log.invalidOpcodes.count == InterruptLog.placeLimit)
    }

    @Test func processors() throws {
        let text = """

            CPU#0
            RAX=ffffffff81a0c2e0 RBX=0000000000000000 RCX=0000000000000001 RDX=4000000000000000
            RIP=ffffffff81a0c2ee RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
            CR0=80050033 CR2=00007f3b CR3=0000000002a10000 CR4=003006f0
            EFER=0000000000000d01
            FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80
            CPU#1
            EIP=0000b7b9 EFL=00000002 [-------] CPL=3 II=0 A20=1 SMM=0 HLT=0
            CR0=00000010 CR2=00000000 CR3=00000000 CR4=00000000
            """
        let views = ProcessorView.parts(text).map { ProcessorView(text: $0) }
        #expect(views.count == 2)
        let first = try #require(views[0])
        #expect(first.instructionPointer == 0xffff_ffff_81a0_c2ee)
        #expect(first.isHalted && first.takesInterrupts && first.privilege == 0)
        #expect(first.cr4 == 0x30_06f0 && first.efer == 0xd01 && first.cr3 == 0x2a1_0000)
        let second = try #require(views[1])
        #expect(second.instructionPointer == 0xb7b9)
        #expect(!second.isHalted && !second.takesInterrupts && second.privilege == 3)
        #expect(ProcessorView(text: "RIP= RAX=zz") == nil)
        #expect(ProcessorView.parts("nothing").isEmpty)
    }

    @Test func localAPIC() throws {
        let text = """
            dumping local APIC state for CPU 0

            LVT0\t 0x00010700 active-hi edge  masked                      ExtINT (vec 0)
            LVTT\t 0x000400ec active-hi edge                 tsc-deadline Fixed  (vec 236)
            Timer\t DCR=0x3 (divide by 16) initial_count = 4294967295 current_count = 12
            SPIV\t 0x000001ff APIC enabled, focus=off, spurious vec 255
            ISR\t 236 48
            IRR\t (none)
            """
        let apic = try #require(LocalAPICView(text: text))
        #expect(apic.timerMode == .deadline && apic.timerVector == 236 && !apic.timerIsMasked)
        #expect(apic.initialCount == .max && apic.currentCount == 12)
        #expect(apic.isEnabled)
        #expect(apic.inService == [236, 48] && apic.requested.isEmpty)
        #expect(LocalAPICView(text: "Local APIC 7 does not exist") == nil)
    }

    @Test func verdictsGoFromTheSurestToTheVaguest() {
        typealias CPU = GuestObservation.CPU
        let halted = CPU(index: 0, moved: false, registers: ProcessorView(isHalted: true))
        var seen = GuestObservation(seconds: 10, cpus: [halted])
        #expect(seen.verdict == .silent && !seen.verdict.isHealthy)
        seen.cpus[0].moved = true
        #expect(seen.verdict == .spinning)
        // One that was under way.
        seen.interrupts = [236: 1]
        #expect(seen.verdict == .spinning && seen.text.contains("only one interrupt"))
        seen.interrupts = [236: 100]
        #expect(seen.verdict == .alive)
        seen.clock = .init(name: "jiffies_64", first: 7, last: 7, seconds: 9)
        #expect(seen.verdict == .clockStands)
        // An interrupt that was under way, and none after it.
        seen.clock?.last = 12
        #expect(seen.verdict == .clockStands && seen.text.contains("went on by 5 only"))
        // A clock that was found too late says nothing.
        seen.clock?.seconds = 0.5
        #expect(seen.verdict == .alive)
        seen.clock?.seconds = 9
        seen.clock?.last = 2507
        #expect(seen.verdict == .alive)
        // All of that came at once, when the guest went on.
        seen.clock?.middle = 2500
        seen.clock?.secondsSinceMiddle = 4.5
        #expect(seen.verdict == .clockStands && seen.text.contains("by 7 in the second half"))
        seen.clock?.middle = 1200
        #expect(seen.verdict == .alive)
        // A few of a program are its own affair; one of the kernel is not, unless it is UD2.
        seen.invalidOpcodes = [.init(address: 1, isUser: true, bytes: [0x0f, 0x01, 0xd9])]
        seen.exceptions = [6: 1]
        #expect(seen.verdict == .alive)
        seen.exceptions = [6: GuestObservation.stormLimit]
        #expect(seen.verdict == .invalidOpcodes)
        seen.exceptions = [6: 1]
        seen.invalidOpcodes[0].isUser = false
        #expect(seen.verdict == .invalidOpcodes)
        #expect(seen.text.contains("0f 01 d9"))
        seen.invalidOpcodes[0].bytes = [0x0f, 0x0b, 0, 0]
        #expect(seen.verdict == .alive)
        seen.ending = .switchedOff
        #expect(seen.verdict == .switchedOff)
        seen.ending = .tripleFault
        #expect(seen.verdict == .reset)
        seen.ending = .panicked
        #expect(seen.verdict == .stopped)
        // A log that was closed early says nothing about later interrupts.
        #expect(GuestObservation(cpus: [halted], logWasFull: true).verdict == .alive)
    }
}
