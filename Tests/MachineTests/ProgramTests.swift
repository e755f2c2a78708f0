import Foundation
import Machine
import Testing
import X86

/// Real gcc -O2 code in user mode, against the same functions in Swift.
@Suite struct ProgramTests {
    private static let source = """
        typedef unsigned long u64; typedef unsigned int u32; typedef unsigned char u8;
        static u8 flags[20000];
        static u32 table[256];
        static int numbers[2000];
        static u32 sieve(void) {
            u32 count = 0;
            for (int i = 2; i < 20000; i++) flags[i] = 1;
            for (int i = 2; i < 20000; i++)
                if (flags[i]) { count++; for (int j = i + i; j < 20000; j += i) flags[j] = 0; }
            return count;
        }
        static u32 crc(void) {
            for (u32 i = 0; i < 256; i++) {
                u32 c = i;
                for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
                table[i] = c;
            }
            u32 c = ~0u;
            for (u32 i = 0; i < 5000; i++) c = table[(c ^ (i * 7)) & 255] ^ (c >> 8);
            return ~c;
        }
        static void sort(int *v, int low, int high) {
            while (low < high) {
                int pivot = v[(low + high) / 2], i = low, j = high;
                while (i <= j) {
                    while (v[i] < pivot) i++;
                    while (v[j] > pivot) j--;
                    if (i <= j) { int t = v[i]; v[i] = v[j]; v[j] = t; i++; j--; }
                }
                if (j - low < high - i) { sort(v, low, j); low = i; } else { sort(v, i, high); high = j; }
            }
        }
        static u64 sorted(void) {
            u32 x = 1;
            for (int i = 0; i < 2000; i++) { x = x * 1103515245 + 12345; numbers[i] = (int)x; }
            sort(numbers, 0, 1999);
            u64 sum = 0;
            for (int i = 0; i < 2000; i++) sum = sum * 31 + (u32)numbers[i];
            return sum;
        }
        static double series(int n) { double s = 0; for (int i = 1; i <= n; i++) s += 1.0 / ((double)i * i); return s; }
        static u64 fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
        __attribute__((noreturn, section(".start"))) void _start(void) {
            register u64 a asm("r12") = sieve();
            register u64 b asm("r13") = crc();
            register u64 c asm("r14") = sorted();
            register u64 d asm("r15") = fib(18);
            register u64 e asm("rbx") = (u64)(series(500) * 1e12);
            asm volatile(".byte 0x0f,0x1f,0x84,0,1,0,0x4d,0x53" :: "r"(a), "r"(b), "r"(c), "r"(d), "r"(e));
            for (;;) {}
        }
        """

    @Test func optimisedCodeComputesTheSame() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("stemma-cc-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let source = directory.appendingPathComponent("program.c")
        try Self.source.write(to: source, atomically: true, encoding: .utf8)
        let elf = directory.appendingPathComponent("program").path
        try Assembler.run(
            "gcc",
            [
                "-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-pic", "-no-pie", "-mno-red-zone",
                "-fno-stack-protector",
                "-Wl,-Ttext=0x400000,-Tdata=0x480000,-Tbss=0x490000,-z,norelro,--build-id=none", "-o", elf, source.path,
            ])
        var images: [(UInt64, [UInt8])] = []
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: elf)))
        func word(_ offset: Int, _ count: Int) -> UInt64 {
            bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        let entry = word(24, 8)
        for index in 0..<Int(word(56, 2)) {
            let header = Int(word(32, 8)) + index * 56
            guard word(header, 4) == 1 else { continue }
            let offset = Int(word(header + 8, 8))
            images.append((word(header + 16, 8), Array(bytes[offset..<offset + Int(word(header + 32, 8))])))
        }
        var guest = LongModeGuest(isUser: true)
        for page in stride(from: UInt64(0x3F_0000), to: 0x4C_0000, by: 4096) {
            guest.map(page, to: page, isUser: true)
        }
        for (address, image) in images { guest.write(address, image) }
        guest.state.rip = entry
        guest.state.general[4] = 0x4B_FFF8
        let machine = try guest.machine()
        #expect(machine.run(budget: 50_000_000) == .hypercall(number: 1))
        let processor = machine.processor
        #expect(processor[.r12] == 2262)
        #expect(processor[.r13] == UInt64(Self.crc()))
        #expect(processor[.r14] == Self.sorted())
        #expect(processor[.r15] == 2584)
        let series = (1...500).reduce(0.0) { $0 + 1 / (Double($1) * Double($1)) }
        #expect(processor[.rbx] == UInt64(series * 1e12))
    }

    private static func crc() -> UInt32 {
        var value = ~UInt32(0)
        for index in UInt32(0)..<5000 {
            var entry = (value ^ index &* 7) & 255
            for _ in 0..<8 { entry = entry & 1 != 0 ? 0xEDB8_8320 ^ entry >> 1 : entry >> 1 }
            value = entry ^ value >> 8
        }
        return ~value
    }

    private static func sorted() -> UInt64 {
        var state: UInt32 = 1
        let numbers = (0..<2000).map { _ in
            state = state &* 1_103_515_245 &+ 12345
            return Int32(bitPattern: state)
        }
        return numbers.sorted().reduce(0) { $0 &* 31 &+ UInt64(UInt32(bitPattern: $1)) }
    }
}
