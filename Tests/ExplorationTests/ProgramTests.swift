import Exploration
import Testing

/// Programs as gcc -O2 makes them, with known numbers of paths. Every test case is replayed concretely.
@Suite("Programs")
struct ProgramTests {
    @Test("independent comparisons give 2^n paths")
    func forks() throws {
        let exploration = try Exploration.run(
            """
            volatile u32 sink; u8 in[8];
            void start(void) {
                SYMBOLIC(in, 8, "in");
                u32 acc = 0;
                for (int i = 0; i < 8; i++) {
                    if (in[i] > 0x40 + i) { acc = acc * 3 + 1; sink = acc; } else { acc = acc * 5 + 2; sink = acc; }
                }
                END(7, "done");
            }
            """)
        #expect(exploration.report.testCases.count == 256)
        #expect(exploration.statuses == Array(repeating: 7, count: 256))
        #expect(exploration.report.stopped == nil)
        let patterns = Set(
            exploration.inputs(status: 7).map { input in input.indices.map { input[$0] > 0x40 + UInt8($0) } })
        #expect(patterns.count == 256)
        #expect(exploration.report.statistics.forks == 255)
        #expect(exploration.report.statistics.queriesBySolver == 0)
        #expect(exploration.report.statistics.abandoned == 0)
    }

    @Test("insertion sort of 4 bytes has 24 orders")
    func sort() throws {
        let exploration = try Exploration.run(
            """
            u8 in[4]; volatile u8 out[4];
            void start(void) {
                SYMBOLIC(in, 4, "in");
                u8 v[4];
                for (int i = 0; i < 4; i++) v[i] = in[i];
                for (int i = 1; i < 4; i++) {
                    u8 k = v[i]; int j = i - 1;
                    while (j >= 0 && v[j] > k) { v[j + 1] = v[j]; j--; __asm__ volatile("" ::: "memory"); }
                    v[j + 1] = k;
                }
                for (int i = 0; i < 4; i++) out[i] = v[i];
                END(0, "sorted");
            }
            """)
        #expect(exploration.report.testCases.count == 24)
        let orders = Set(
            exploration.inputs(status: 0).map { input in
                input.indices.sorted { (input[$0], $0) < (input[$1], $1) }
            })
        #expect(orders.count == 24)
    }

    @Test("a password check with nested conditions and a loop")
    func password() throws {
        let exploration = try Exploration.run(
            """
            u8 in[8];
            static NOINLINE int check(const u8 *p) {
                if (p[0] != 'S') return 1;
                u32 sum = 0;
                for (int i = 1; i < 6; i++) {
                    if (p[i] < 'a' || p[i] > 'z') return 2;
                    sum = sum * 31 + p[i];
                }
                if (sum == 'w' * 31u * 31 * 31 * 31 + 'i' * 31 * 31 * 31 + 'f' * 31 * 31 + 't' * 31 + 'y') {
                    if ((p[6] ^ p[7]) == 0x55 && p[6] == '!') return 0;
                    return 3;
                }
                return 4;
            }
            void start(void) { SYMBOLIC(in, 8, "password"); END(check(in), "checked"); }
            """)
        let found = exploration.inputs(status: 0)
        #expect(found.count == 1)
        #expect(found.first?.first == UInt8(ascii: "S"))
        #expect(found.first?.suffix(2) == [0x21, 0x74])
        #expect(exploration.report.stopped == nil)
        // 1 + two ways out of each of five iterations + the last three or four.
        #expect(exploration.statuses.filter { $0 == 1 }.count == 1)
        #expect(exploration.statuses.filter { $0 == 4 }.count == 1)
        #expect(Set(exploration.statuses) == [0, 1, 2, 3, 4])
    }

    @Test("a string comparison finds the secret")
    func compare() throws {
        let exploration = try Exploration.run(
            """
            u8 in[12]; static const char secret[] = "horse-00";
            static NOINLINE int compare(const char *a, const char *b) {
                while (*a && *a == *b) { a++; b++; }
                return *(u8 *)a - *(u8 *)b;
            }
            void start(void) { SYMBOLIC(in, 9, "in"); END(compare((char *)in, secret) == 0, "compared"); }
            """)
        #expect(exploration.texts(status: 1) == ["horse-00\0"])
        // A mismatch at each of the nine places, at each of eight also an early end.
        #expect(exploration.report.statistics.completedPaths >= 10)
    }

    @Test("table-driven CRC-32 is inverted")
    func crc() throws {
        let exploration = try Exploration.run(
            """
            u8 in[4]; static u32 table[256];
            void start(void) {
                for (u32 i = 0; i < 256; i++) {
                    u32 c = i;
                    for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0xEDB88320u : c >> 1;
                    table[i] = c;
                }
                SYMBOLIC(in, 4, "in");
                u32 c = ~0u;
                for (int i = 0; i < 4; i++) c = table[(c ^ in[i]) & 0xff] ^ (c >> 8);
                if (~c == 0xcbcec25au) END(1, "found");
                END(0, "other");
            }
            """)
        #expect(exploration.texts(status: 1) == ["Sw1f"])
        #expect(exploration.statuses == [0, 1])
        #expect(exploration.report.statistics.tableLoads > 0)
    }

    @Test("two-level table look-ups")
    func tables() throws {
        let exploration = try Exploration.run(
            """
            u8 in[3]; static u8 S[256], T[256];
            void start(void) {
                u32 x = 7;
                for (int i = 0; i < 256; i++) { x = x * 1103515245u + 12345u; S[i] = x >> 16; T[i] = (x >> 24) ^ i; }
                SYMBOLIC(in, 3, "in");
                for (int i = 0; i < 3; i++) {
                    u8 v = T[(u8)(S[in[i]] + i)];
                    if (v != T[(u8)(S[(u8)"iDx"[i]] + i)]) END(0, "wrong");
                }
                END(1, "right");
            }
            """)
        #expect(exploration.statuses == [0, 0, 0, 1])
        #expect(exploration.inputs(status: 1).count == 1)
    }

    @Test("a switch becomes a jump table: one path for each case")
    func jumpTable() throws {
        let exploration = try Exploration.run(
            """
            u8 in[1]; volatile int sink;
            void start(void) {
                SYMBOLIC(in, 1, "in");
                switch (in[0]) {
                case 0: sink = 11; END(10, "0"); case 1: sink = 7; END(11, "1"); case 2: sink = 5; END(12, "2");
                case 3: sink = 3; END(13, "3"); case 4: sink = 2; END(14, "4"); case 5: sink = 9; END(15, "5");
                case 6: sink = 8; END(16, "6"); case 7: sink = 1; END(17, "7");
                default: END(99, "default");
                }
            }
            """)
        #expect(exploration.statuses == [10, 11, 12, 13, 14, 15, 16, 17, 99])
    }

    @Test("division: quotients are exact and a zero divisor is a path of its own")
    func division() throws {
        let exploration = try Exploration.run(
            """
            u8 in[2];
            void start(void) {
                SYMBOLIC(in, 2, "in");
                int a = (signed char)in[0]; int b = (signed char)in[1];
                ASSUME(b != 0);
                int q = a / b, r = a % b;
                if (q * b + r != a) END(1, "wrong");
                if (q == -42 && r == 1) END(2, "found");
                END(0, "other");
            }
            """)
        #expect(Set(exploration.statuses) == [0, 2])
        for input in exploration.inputs(status: 2) {
            let a = Int(Int8(bitPattern: input[0]))
            let b = Int(Int8(bitPattern: input[1]))
            #expect(a / b == -42 && a % b == 1)
        }
    }

    @Test("a division fault without a handler is a triple fault, on the path where the divisor is zero")
    func divisionFault() throws {
        let exploration = try Exploration.run(
            """
            u8 in[1]; volatile u32 sink;
            void start(void) { SYMBOLIC(in, 1, "in"); sink = 1000u / in[0]; END(0, "divided"); }
            """)
        #expect(exploration.report.testCases.map(\.end.kind).sorted() == ["finished", "triple-fault"])
        let fault = try #require(exploration.report.testCases.first { $0.end.kind == "triple-fault" })
        #expect(fault.inputs.first?.hex == "00")
    }

    @Test("vector code over symbolic bytes")
    func vectors() throws {
        let exploration = try Exploration.run(
            """
            u8 in[16]; u8 key[16] = "0123456789abcdef";
            void start(void) {
                SYMBOLIC(in, 16, "in");
                u8 out[16];
                for (int i = 0; i < 16; i++) out[i] = in[i] ^ key[i];
                u32 sum = 0;
                for (int i = 0; i < 16; i++) sum += out[i];
                if (sum == 16 * 255) END(1, "all ones");
                END(0, "other");
            }
            """, options: ["-O3"])
        #expect(exploration.statuses == [0, 1])
        #expect(exploration.inputs(status: 1) == ["0123456789abcdef".utf8.map { $0 ^ 0xFF }])
    }

    @Test("long multiplication and shifts by symbolic counts")
    func arithmetic() throws {
        let exploration = try Exploration.run(
            """
            u16 in[2];
            void start(void) {
                SYMBOLIC(in, 4, "in");
                u64 product = (u64)in[0] * 2654435761u;
                u32 turned = (u32)product << (in[1] & 31) | (u32)product >> (-in[1] & 31);
                ASSUME(in[1] < 32);
                if (turned == 0x12345678u) END(3, "unlikely");
                if ((product >> 13) % 10 == 7 && in[1] == 5) END(2, "found");
                END(0, "other");
            }
            """)
        for input in exploration.inputs(status: 2) {
            let value = UInt64(input[0]) | UInt64(input[1]) << 8
            #expect(((value * 2_654_435_761) >> 13) % 10 == 7)
            #expect(input[2] == 5 && input[3] == 0)
        }
        #expect(exploration.statuses.contains(2) && exploration.statuses.contains(0))
        #expect(exploration.report.stopped == nil)
    }
}
