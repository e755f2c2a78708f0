import Glibc

/// Runs code on the host's CPU with RFLAGS.TF under the code's own control, and records where traps are reported.
///
/// The arena lies at a fixed low address, so that the engine's guest can have the same code there. Code must leave RSP alone between its
/// pushes and pops, and the registers that the C calling convention keeps.
final class SteppingRunner {
    static let arena: UInt64 = 0x2200_0000
    static let code = arena + 0x100
    static let data = arena + 0x2000
    static let capacity = 500
    /// Count of traps, then the saved instruction pointers.
    private static let log = arena + 0x4000
    private static let length = 0x8000

    private let base: UnsafeMutableRawPointer

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

    private func word(_ address: UInt64) -> UnsafeMutablePointer<UInt64> {
        (base + Int(address - Self.arena)).assumingMemoryBound(to: UInt64.self)
    }

    /// Instruction pointers that traps have saved, by their distance from the code's start; those outside of the code left out.
    func run(_ code: [UInt8]) -> [Int] {
        word(Self.log).pointee = 0
        // push rbx, rbp, r12, r13; the code; pop them; ret.
        let entry: [UInt8] = [0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x48, 0xB8]
        let target = (0..<8).map { UInt8(truncatingIfNeeded: Self.code >> UInt64($0 * 8)) }
        write(entry + target + [0xFF, 0xE0], at: 0)
        write(code + [0x41, 0x5D, 0x41, 0x5C, 0x5D, 0x5B, 0xC3], at: Int(Self.code - Self.arena))
        var action = sigaction()
        action.__sigaction_handler.sa_sigaction = { _, _, context in
            guard let context else { _exit(97) }
            let user = context.assumingMemoryBound(to: ucontext_t.self)
            let registers = withUnsafeMutablePointer(to: &user.pointee.uc_mcontext.gregs) {
                UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt64.self)
            }
            guard let log = UnsafeMutablePointer<UInt64>(bitPattern: UInt(SteppingRunner.log)) else { _exit(96) }
            // REG_RIP is 16, REG_EFL 17 (sys/ucontext.h).
            if log[0] < UInt64(SteppingRunner.capacity) {
                log[0] += 1
                log[Int(log[0])] = registers[16]
            } else {
                registers[17] &= ~0x100
            }
        }
        action.sa_flags = SA_SIGINFO
        var old = sigaction()
        sigaction(SIGTRAP, &action, &old)
        typealias Entry = @convention(c) () -> Void
        unsafeBitCast(base, to: Entry.self)()
        sigaction(SIGTRAP, &old, nil)
        let count = Int(word(Self.log).pointee)
        return (0..<count).map { Int(word(Self.log + 8 + UInt64($0 * 8)).pointee) - Int(Self.code) }
            .filter { (0...code.count).contains($0) }
    }

    private func write(_ bytes: [UInt8], at offset: Int) {
        bytes.withUnsafeBytes { buffer in
            if let source = buffer.baseAddress { (base + offset).copyMemory(from: source, byteCount: buffer.count) }
        }
    }
}
