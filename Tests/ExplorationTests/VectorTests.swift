import Exploration
import Testing

/// AVX code as a C library has it: the symbols pass through, nothing is made concrete.
@Suite("Symbolic vectors")
struct VectorTests {
    @Test("copies by 32-byte moves, aligned and not, keep the symbols")
    func copies() throws {
        let exploration = try Exploration.run(
            """
            u8 in[64] __attribute__((aligned(64))), a[96] __attribute__((aligned(64))), b[96];
            void start(void) {
                SYMBOLIC(in, 64, "in");
                __asm__ volatile("vmovdqu 1(%0), %%ymm9; vmovdqa 32(%0), %%ymm3; vmovdqu %%ymm9, 3(%1); vmovdqa %%ymm3, 64(%1);"
                    "vmovdqu 3(%1), %%ymm1; vextracti128 $1, %%ymm1, %%xmm2; vmovdqu %%xmm1, 7(%2); vmovups %%xmm2, 23(%2);"
                    "vzeroupper"
                    :: "r"(in), "r"(a), "r"(b) : "memory", "xmm1", "xmm2", "xmm3", "xmm9");
                if (*(u32 *)(b + 7 + 28) == 0x64636261 && a[64 + 31] == 'z') END(1, "found");
                END(0, "other");
            }
            """)
        #expect(exploration.statuses == [0, 0, 1])
        let found = try #require(exploration.inputs(status: 1).first)
        #expect(Array(found[29..<33]) == Array("abcd".utf8))
        #expect(found[63] == UInt8(ascii: "z"))
        #expect(exploration.report.statistics.concretisations == 0)
    }

    @Test("a string's length by VPCMPEQB, VPMINUB, VPMOVMSKB and VPTEST: one path for each length")
    func length() throws {
        let exploration = try Exploration.run(
            """
            u8 in[32];
            void start(void) {
                SYMBOLIC(in, 6, "in");
                u32 mask; u64 any;
                __asm__ volatile("vpxor %%xmm0, %%xmm0, %%xmm0; vmovdqu (%2), %%ymm1; vpminub %%ymm1, %%ymm1, %%ymm2;"
                    "vpcmpeqb %%ymm0, %%ymm2, %%ymm3; vpmovmskb %%ymm3, %0; vptest %%ymm3, %%ymm3; setnz %b1; vzeroupper"
                    : "=r"(mask), "=q"(any) : "r"(in) : "xmm0", "xmm1", "xmm2", "xmm3", "cc");
                if (!(any & 1)) END(99, "no end");
                int length = 0;
                while (!(mask >> length & 1)) length++;
                END(length, "length");
            }
            """)
        #expect(exploration.statuses == [0, 1, 2, 3, 4, 5, 6])
        #expect(exploration.report.statistics.concretisations == 0)
    }

    @Test("broadcasts, byte shuffles, shifts, blends, permutations and horizontal sums are inverted")
    func lanes() throws {
        let exploration = try Exploration.run(
            """
            u8 in[16], key[32] = "the quick brown fox jumps over 1";
            void start(void) {
                SYMBOLIC(in, 16, "in");
                u64 out[4];
                __asm__ volatile("vbroadcasti128 (%0), %%ymm0; vpxor (%1), %%ymm0, %%ymm0; vpermq $0x1B, %%ymm0, %%ymm0;"
                    "vpshufd $0x4E, %%ymm0, %%ymm0; vpaddb %%ymm0, %%ymm0, %%ymm1; vpblendw $0x55, %%ymm0, %%ymm1, %%ymm0;"
                    "vpalignr $5, %%ymm0, %%ymm0, %%ymm0; vmovdqu %%ymm0, (%2); vzeroupper"
                    :: "r"(in), "r"(key), "r"(out) : "memory", "xmm0", "xmm1");
                if (out[0] == 0x1122334455667788) END(1, "found");
                END(0, "other");
            }
            """)
        // Whether there is an input for it is the solver's word; the replay of each path is what counts here.
        #expect(exploration.statuses.first == 0)
        #expect(exploration.report.statistics.concretisations == 0)
    }
}
