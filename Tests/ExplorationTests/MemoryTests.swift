import Exploration
import Testing

@Suite("Symbolic memory")
struct MemoryTests {
    @Test("copies by rep movsb, rep movsq, SSE and bytes keep the symbols")
    func copies() throws {
        let exploration = try Exploration.run(
            """
            u8 in[32], a[64], b[64], c[64];
            void start(void) {
                SYMBOLIC(in, 32, "in");
                { void *d = a + 3; const void *s = in; long n = 32;
                  __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) :: "memory"); }
                { void *d = b + 5; const void *s = a + 3; long n = 4;
                  __asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(n) :: "memory"); }
                __asm__ volatile("movdqu 5(%0), %%xmm0; movdqu 21(%0), %%xmm1; movdqu %%xmm0, 7(%1); movdqu %%xmm1, 23(%1)"
                    :: "r"(b), "r"(c) : "memory", "xmm0", "xmm1");
                if (*(u32 *)(c + 7 + 6) == 0x64636261 && c[7 + 31] == 'z') END(1, "found");
                END(0, "other");
            }
            """)
        // The comparison of four bytes and that of one byte.
        #expect(exploration.statuses == [0, 0, 1])
        let found = try #require(exploration.inputs(status: 1).first)
        #expect(Array(found[6..<10]) == Array("abcd".utf8))
        #expect(found[31] == UInt8(ascii: "z"))
    }

    @Test("partial overwrites, unaligned and page-crossing accesses")
    func partial() throws {
        let exploration = try Exploration.run(
            """
            static u8 *const place = (u8 *)0x201ffc;
            void start(void) {
                SYMBOLIC(place, 8, "in");
                // Bytes 2 and 5 become concrete, on both sides of the page boundary.
                place[2] = 0x22; place[5] = 0x55;
                u64 v = *(u64 *)place;
                if (((v >> 16) & 0xff) != 0x22 || ((v >> 40) & 0xff) != 0x55) END(9, "lost");
                u32 w = *(u32 *)(place + 2);
                *(u32 *)(place + 2) = w + 0x01000000;
                if (place[5] != 0x56) END(8, "carry");
                if (*(u64 *)place == 0x8877560044220211ul) END(1, "never: byte 4 is 0x00 and byte 3 0x44");
                if (*(u16 *)(place + 3) == 0x1234) END(2, "found");
                END(0, "other");
            }
            """)
        #expect(Set(exploration.statuses) == [0, 1, 2])
        let first = try #require(exploration.inputs(status: 1).first)
        #expect(first == [0x11, 0x02, first[2], 0x44, 0x00, first[5], 0x77, 0x88])
        let second = try #require(exploration.inputs(status: 2).first)
        #expect(second[3] == 0x34 && second[4] == 0x12)
    }

    @Test("stores at symbolic addresses: choices for few places, forks for more")
    func symbolicStores() throws {
        let exploration = try Exploration.run(
            """
            u8 in[2]; volatile u8 few[8]; volatile u32 many[256];
            void start(void) {
                SYMBOLIC(in, 2, "in");
                few[in[0] & 7] = 1;
                int n = 0;
                for (int i = 0; i < 8; i++) n += few[i];
                if (n != 1) END(9, "one byte was set");
                if (few[5]) PRINT("five");
                ASSUME(in[1] >= 200 && in[1] < 240);
                many[in[1]]++;
                END(many[210], "stored");
            }
            """)
        #expect(!exploration.statuses.contains(9))
        // 40 places, with and without "five".
        #expect(exploration.statuses.count == 80)
        #expect(exploration.statuses.filter { $0 == 1 }.count == 2)
        #expect(exploration.report.testCases.filter { $0.log == ["five"] }.count == 40)
    }

    @Test("loads over a range with symbolic elements, and of a pointer's page")
    func symbolicLoads() throws {
        let exploration = try Exploration.run(
            """
            u8 in[4]; u8 table[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
            void start(void) {
                SYMBOLIC(in, 4, "in");
                table[3] = in[1];
                u8 v = table[in[0] & 15];
                if (v == 200) { if ((in[0] & 15) != 3 || in[1] != 200) END(9, "only the symbolic element"); END(1, "found"); }
                if (v == 9 && (in[0] & 15) != 3) { if ((in[0] & 15) != 8) END(9, "the ninth"); END(2, "ninth"); }
                END(0, "other");
            }
            """)
        #expect(!exploration.statuses.contains(9))
        #expect(exploration.statuses.contains(1) && exploration.statuses.contains(2))
        #expect(exploration.report.statistics.tableLoads > 0)
    }

    @Test("an unbounded symbolic pointer: windows, and faults where nothing is mapped")
    func wildPointer() throws {
        var limits = ExplorationLimits()
        limits.maximumValues = 3
        limits.maximumWindows = 2
        limits.solverTimeout = .seconds(2)
        let exploration = try Exploration.run(
            """
            u64 in[1];
            void start(void) {
                SYMBOLIC(in, 8, "in");
                u8 v = *(volatile u8 *)in[0];
                END(v == 0x90, "read");
            }
            """, limits: limits)
        #expect(exploration.report.statistics.abandoned > 0)
        #expect(exploration.report.testCases.contains { $0.end.kind == "finished" })
    }
}
