import Foundation
import Glibc

/// Registers, flags, whole vector registers and MXCSR before and after a piece of code.
struct VectorState: Equatable {
    var general: [UInt64] = Array(repeating: 0, count: 16)
    var flags: UInt64 = 0
    /// YMM0-YMM15, four words each, the lowest first.
    var vectors: [UInt64] = Array(repeating: 0, count: 64)
    var mxcsr: UInt32 = 0x1F80
    /// The signal that ended the code before its end: SIGILL, SIGSEGV, SIGFPE; 0 for none.
    var signal: Int32 = 0
}

/// Runs machine code on the host's CPU with general and vector registers and MXCSR under control; faults of the code are reported.
///
/// The arena lies at a fixed low address, so that the engine's guest can have code and data at the same addresses. Behind the data area is
/// a page without rights.
final class VectorNativeRunner {
    static let arena: UInt64 = 0x2100_0000
    static let codeStart = arena + 0x400
    static let data = arena + 0x4000
    static let dataSize = 0x2000
    static let dataMiddle = data + 0x1000
    static let guardPage = data + UInt64(dataSize)
    private static let contextPage = arena + 0x1000
    private static let epilogue = arena + 0x800
    private static let length = 0x8000

    private let base: UnsafeMutableRawPointer
    private let signalStack: UnsafeMutableRawPointer
    private static let signalStackSize = 1 << 17

    // Offsets in the context page.
    private static let vectorOffset = 0x100
    private static let flagsOffset = 0x80
    private static let stackOffset = 0x88
    private static let controlOffset = 0x90
    private static let savedControlOffset = 0x94
    private static let signalOffset = 0x98

    /// True when the host has AVX2 and what else the forms need; others are left to hosts that have it.
    static let hasAVX2: Bool = {
        guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
        else { return false }
        let flags = Set(line.split(separator: " "))
        return ["avx2", "fma", "f16c", "aes", "pclmulqdq", "sha_ni", "vaes", "vpclmulqdq", "xsavec"].allSatisfy {
            flags.contains(Substring($0))
        }
    }()

    init?() {
        let address = UnsafeMutableRawPointer(bitPattern: UInt(Self.arena))
        // MAP_FIXED_NOREPLACE keeps the runner from overwriting anything.
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | 0x10_0000
        guard let mapped = mmap(address, Self.length, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0),
            mapped == address
        else { return nil }
        base = mapped
        signalStack = .allocate(byteCount: Self.signalStackSize, alignment: 4096)
        mprotect(base + Int(Self.guardPage - Self.arena), 4096, PROT_NONE)
        write(prologue(), at: 0)
        write(end(), at: Int(Self.epilogue - Self.arena))
    }

    deinit {
        munmap(base, Self.length)
        signalStack.deallocate()
    }

    /// Bytes of the data area from an offset on.
    func data(at offset: Int, count: Int) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: base + 0x4000 + offset, count: count))
    }

    func setData(_ bytes: [UInt8], at offset: Int) { write(bytes, at: 0x4000 + offset) }

    private func pointer<Value>(_ offset: Int, _: Value.Type) -> UnsafeMutablePointer<Value> {
        (base + 0x1000 + offset).assumingMemoryBound(to: Value.self)
    }

    func run(_ code: [UInt8], _ state: VectorState) -> VectorState {
        for index in 0..<16 { pointer(index * 8, UInt64.self).pointee = state.general[index] }
        for index in 0..<64 { pointer(Self.vectorOffset + index * 8, UInt64.self).pointee = state.vectors[index] }
        pointer(Self.flagsOffset, UInt64.self).pointee = state.flags
        pointer(Self.controlOffset, UInt32.self).pointee = state.mxcsr
        pointer(Self.signalOffset, Int32.self).pointee = 0
        // jmp epilogue
        let distance = Int(Self.epilogue) - Int(Self.codeStart) - code.count - 5
        write(code + [0xE9] + bytes32(distance), at: Int(Self.codeStart - Self.arena))
        catchingSignals {
            typealias Entry = @convention(c) () -> Void
            unsafeBitCast(base, to: Entry.self)()
        }
        var result = VectorState()
        for index in 0..<16 { result.general[index] = pointer(index * 8, UInt64.self).pointee }
        for index in 0..<64 { result.vectors[index] = pointer(Self.vectorOffset + index * 8, UInt64.self).pointee }
        result.flags = pointer(Self.flagsOffset, UInt64.self).pointee
        result.mxcsr = pointer(Self.controlOffset, UInt32.self).pointee
        result.signal = pointer(Self.signalOffset, Int32.self).pointee
        return result
    }

    /// A fault inside of the arena is noted and goes on at the epilogue; registers are those of the faulting instruction.
    private func catchingSignals(_ body: () -> Void) {
        var stack = stack_t()
        stack.ss_sp = signalStack
        stack.ss_size = Self.signalStackSize
        var oldStack = stack_t()
        sigaltstack(&stack, &oldStack)
        var action = sigaction()
        action.__sigaction_handler.sa_sigaction = { signal, _, context in
            guard let context else { _exit(99) }
            let user = context.assumingMemoryBound(to: ucontext_t.self)
            let registers = withUnsafeMutablePointer(to: &user.pointee.uc_mcontext.gregs) {
                UnsafeMutableRawPointer($0).assumingMemoryBound(to: Int64.self)
            }
            // REG_RIP is 16 (sys/ucontext.h).
            let rip = UInt64(bitPattern: registers[16])
            guard rip >= VectorNativeRunner.arena, rip < VectorNativeRunner.arena + 0x1000,
                let place = UnsafeMutablePointer<Int32>(
                    bitPattern: UInt(VectorNativeRunner.contextPage) + UInt(VectorNativeRunner.signalOffset))
            else { _exit(98) }
            place.pointee = signal
            registers[16] = Int64(VectorNativeRunner.epilogue)
        }
        action.sa_flags = SA_SIGINFO | SA_ONSTACK
        let signals = [SIGILL, SIGSEGV, SIGFPE, SIGBUS]
        var old = signals.map { _ in sigaction() }
        for (index, signal) in signals.enumerated() { sigaction(signal, &action, &old[index]) }
        body()
        for (index, signal) in signals.enumerated() { sigaction(signal, &old[index], nil) }
        sigaltstack(&oldStack, nil)
    }

    private func write(_ bytes: [UInt8], at offset: Int) {
        bytes.withUnsafeBytes { buffer in
            if let source = buffer.baseAddress { (base + offset).copyMemory(from: source, byteCount: buffer.count) }
        }
    }

    private func bytes32(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
    private func bytes64(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
    }

    /// vmovdqu ymm, [rdi or rax + offset], or the store.
    private func moveVector(load: Bool, _ register: Int) -> [UInt8] {
        [0xC5, (register >= 8 ? 0 : 0x80) | 0x7E, load ? 0x6F : 0x7F]
            + [(load ? 0x87 : 0x80) | UInt8(register & 7) << 3] + bytes32(Self.vectorOffset + register * 32)
    }

    /// mov between a register and the context page in RDI (load) or RAX (store).
    private func move(load: Bool, _ register: Int) -> [UInt8] {
        [UInt8(0x48 | (register >= 8 ? 4 : 0)), load ? 0x8B : 0x89, (load ? 0x87 : 0x80) | UInt8(register & 7) << 3]
            + bytes32(register * 8)
    }

    /// Saves the caller's registers, loads everything from the context page, and goes to the code under test.
    private func prologue() -> [UInt8] {
        var code: [UInt8] = [0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57]
        code += [0x48, 0xBF] + bytes64(Self.contextPage)
        code += [0x48, 0x89, 0xA7] + bytes32(Self.stackOffset)
        // stmxcsr [rdi + saved]; ldmxcsr [rdi + control]
        code += [0x0F, 0xAE, 0x9F] + bytes32(Self.savedControlOffset)
        code += [0x0F, 0xAE, 0x97] + bytes32(Self.controlOffset)
        for register in 0..<16 { code += moveVector(load: true, register) }
        code += [0xFF, 0xB7] + bytes32(Self.flagsOffset) + [0x9D]
        for register in 0..<16 where register != 7 && register != 4 { code += move(load: true, register) }
        code += move(load: true, 4) + move(load: true, 7)
        return code + [0xE9] + bytes32(Int(Self.codeStart - Self.arena) - (code.count + 5))
    }

    private func end() -> [UInt8] {
        var code: [UInt8] = [0x48, 0xA3] + bytes64(Self.contextPage)
        code += [0x48, 0xB8] + bytes64(Self.contextPage)
        for register in 1..<16 { code += move(load: false, register) }
        code += [0x48, 0x8B, 0xA0] + bytes32(Self.stackOffset)
        // pushfq; pop [rax + flags]; cld; stmxcsr [rax + control]; ldmxcsr [rax + saved]
        code += [0x9C, 0x8F, 0x80] + bytes32(Self.flagsOffset) + [0xFC]
        code += [0x0F, 0xAE, 0x98] + bytes32(Self.controlOffset)
        code += [0x0F, 0xAE, 0x90] + bytes32(Self.savedControlOffset)
        for register in 0..<16 { code += moveVector(load: false, register) }
        return code + [0xC5, 0xF8, 0x77, 0x41, 0x5F, 0x41, 0x5E, 0x41, 0x5D, 0x41, 0x5C, 0x5D, 0x5B, 0xC3]
    }
}
