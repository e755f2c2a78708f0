import Exploration
import Expressions
import Foundation
import Machine
import Testing

@Suite("System behaviour")
struct SystemTests {
    /// Address of the handler of an assembled program: the one place, aligned to 16 bytes, with `push rax; push rcx`.
    private func handler(of program: Toolchain.Program) throws -> UInt64 {
        let offset = stride(from: 0, to: program.bytes.count - 1, by: 16).first {
            program.bytes[$0] == 0x50 && program.bytes[$0 + 1] == 0x51
        }
        return Toolchain.loadAddress + UInt64(try #require(offset))
    }

    @Test("hypercalls: version, path id, print, assume, end of path; an unknown number gives 0")
    func hypercalls() throws {
        let exploration = try Exploration.run(
            """
            u8 in[2];
            void start(void) {
                if (VERSION() != 0x10000) END(9, "version");
                if (CALL(77, 0L, 0L, 0L) != 0) END(9, "unknown");
                if (PATH() != 0) END(9, "path");
                PRINT("before");
                if (SYMBOLIC(in, 2, "two bytes") != 1) END(9, "symbolic");
                ASSUME(in[0] == in[1]);
                ASSUME(in[0] > 100);
                if (in[1] < 90) END(8, "excluded");
                if (in[1] == 250) { PRINT("special"); ASSUME(in[0] == 1); END(7, "never"); }
                PRINT("after");
                if (PATH() > 100) END(9, "path");
                END(1, "end");
            }
            """)
        let cases = exploration.report.testCases
        #expect(cases.map(\.end.kind).sorted() == ["assumption-failed", "finished"])
        let finished = try #require(cases.first { $0.end.kind == "finished" })
        #expect(finished.log == ["before", "after"])
        #expect(finished.end.message == "end")
        #expect(finished.inputs.first?.name == "two bytes")
        let failed = try #require(cases.first { $0.end.kind == "assumption-failed" })
        #expect(failed.log == ["before", "special"])
        #expect(failed.inputs.first?.hex == "fafa")
    }

    @Test("the present bytes of a buffer are the first example")
    func seed() throws {
        let exploration = try Exploration.run(
            """
            u8 in[4] = "seed";
            void start(void) { SYMBOLIC(in, 4, "in"); END(0, ""); }
            """)
        #expect(exploration.texts(status: 0) == ["seed"])
        #expect(exploration.report.testCases.first?.end.message == "")
    }

    @Test("a hypercall whose memory is not present faults, and is repeated")
    func hypercallFault() throws {
        // The handler maps the page at CR2 and returns.
        let program = try Toolchain.assemble(
            """
                lea rdi, [rip + buffer_address]
                mov rdi, [rdi]
                mov esi, 4
                lea rdx, [rip + name]
                xor eax, eax
                .byte 0x0f, 0x1f, 0x84, 0x00
                .long 0x534d0001
                cmp eax, 1
                jne wrong
                cmp dword ptr [0x70000], 0x11223344
                jne other
                mov edi, 1
                jmp finish
            other:
                mov edi, 2
                jmp finish
            wrong:
                mov edi, 9
            finish:
                xor esi, esi
                .byte 0x0f, 0x1f, 0x84, 0x00
                .long 0x534d0004
                .balign 16
            handler:
                push rax
                push rcx
                mov rax, cr2
                mov rcx, rax
                shr rcx, 12
                and rax, -4096
                or rax, 7
                mov [rcx * 8 + 0x4000], rax
                pop rcx
                pop rax
                add rsp, 8
                iretq
            buffer_address: .quad 0x70000
            name: .asciz "late"
            """)
        var guest = Guest(program)
        guest.unmap(0x70000)
        guest.setGate(14, handler: try handler(of: program))
        let exploration = try Exploration(guest)
        #expect(exploration.statuses == [1, 2])
        #expect(exploration.inputs(status: 1) == [[0x44, 0x33, 0x22, 0x11]])
    }

    @Test("symbolic flags survive an exception and IRET without a constraint")
    func flagsThroughException() throws {
        let program = try Toolchain.assemble(
            """
                mov edi, 0x60000
                mov esi, 1
                lea rdx, [rip + name]
                xor eax, eax
                .byte 0x0f, 0x1f, 0x84, 0x00
                .long 0x534d0001
                cmp byte ptr [0x60000], 100
                int3
                jb below
                mov edi, 2
                jmp finish
            below:
                mov edi, 1
            finish:
                xor esi, esi
                .byte 0x0f, 0x1f, 0x84, 0x00
                .long 0x534d0004
                .balign 16
            handler:
                push rax
                push rcx
                xor eax, eax
                cmp eax, 5
                pop rcx
                pop rax
                iretq
            name: .asciz "in"
            """)
        var guest = Guest(program)
        guest.setGate(3, handler: try handler(of: program))
        let exploration = try Exploration(guest)
        #expect(exploration.statuses == [1, 2])
        #expect(exploration.report.statistics.concretisations == 0)
        #expect(exploration.inputs(status: 1).allSatisfy { $0[0] < 100 })
        #expect(exploration.inputs(status: 2).allSatisfy { $0[0] >= 100 })
    }

    @Test("an unsupported instruction ends the path with its bytes and address; other paths go on")
    func unsupported() throws {
        let exploration = try Exploration.run(
            """
            u8 in[1];
            void start(void) {
                SYMBOLIC(in, 1, "in");
                if (in[0] == 3) __asm__ volatile(".byte 0x62,0xf1,0x7c,0x48,0x58,0xc1");
                END(0, "done");
            }
            """)
        #expect(exploration.report.testCases.map(\.end.kind).sorted() == ["finished", "unsupported-instruction"])
        let failed = try #require(exploration.report.testCases.first { $0.end.kind == "unsupported-instruction" })
        #expect(failed.inputs.first?.hex == "03")
        #expect(failed.end.bytes?.hasPrefix("62f17c48") == true)
        #expect(failed.end.address?.hasPrefix("0x10") == true)
        #expect(exploration.report.statistics.failedPaths == 1)
    }

    @Test("a halted processor ends the path")
    func halt() throws {
        let exploration = try Exploration.run(
            "u8 in[1]; void start(void) { SYMBOLIC(in, 1, \"in\"); if (in[0]) __asm__ volatile(\"cli; hlt\"); END(0, \"\"); }"
        )
        #expect(exploration.report.testCases.map(\.end.kind).sorted() == ["finished", "halted"])
    }

    @Test("an argument of a hypercall is made concrete, and the report says so")
    func concretisation() throws {
        let exploration = try Exploration.run(
            "u8 in[1]; void start(void) { SYMBOLIC(in, 1, \"in\"); END(in[0] + 5, \"\"); }")
        #expect(exploration.statuses == [5])
        let testCase = try #require(exploration.report.testCases.first)
        #expect(testCase.concretisations.count == 1)
        #expect(testCase.concretisations.first?.what.hasPrefix("rdi") == true)
        #expect(exploration.report.statistics.concretisations == 1)
    }
}

@Suite("Limits and searchers")
struct LimitTests {
    private static let forks = """
        volatile u32 sink; u8 in[10];
        void start(void) {
            SYMBOLIC(in, 10, "in");
            for (int i = 0; i < 10; i++) { if (in[i] > 0x40 + i) sink = i; else sink = -i; }
            END(0, "done");
        }
        """

    @Test("breadth-first finds the same paths")
    func breadthFirst() throws {
        let program = Self.forks.replacingOccurrences(of: "10", with: "5")
        let wide = try Exploration.run(program, searcher: BreadthFirstSearcher())
        let deep = try Exploration.run(program)
        #expect(wide.report.testCases.count == 32)
        func patterns(_ exploration: Exploration) -> Set<[Bool]> {
            Set(exploration.report.testCases.map { $0.branches.map(\.taken) })
        }
        #expect(patterns(wide) == patterns(deep))
        #expect(patterns(wide).count == 32)
        #expect(wide.report.statistics.searcher == "breadth-first")
    }

    @Test("states whose machines are parked while they wait find the same paths")
    func parking() throws {
        let program = """
            u8 in[6]; static volatile u8 out[6 * 4096];
            void start(void) {
                SYMBOLIC(in, 6, "in");
                for (int i = 0; i < 6; i++) {
                    if (in[i] > 0x40 + i) { out[i * 4096] = 1; out[i * 4096 + 9] = 2; } else out[i * 4096 + 5] = 3;
                }
                u32 sum = 0;
                for (int i = 0; i < 6; i++) {
                    if (out[i * 4096 + 9] + out[i * 4096 + 5] + out[i * 4096] != 3) END(99, "pages are mixed up");
                    sum = sum * 2 + out[i * 4096];
                }
                END(sum, "done");
            }
            """
        let usual = try Exploration.run(program, searcher: BreadthFirstSearcher())
        var limits = ExplorationLimits.patient
        limits.maximumUnparkedStates = 0
        let parked = try Exploration.run(program, searcher: BreadthFirstSearcher(), limits: limits)
        #expect(parked.statuses == Array(0..<64))
        #expect(parked.statuses == usual.statuses)
        #expect(parked.machine.base.census.parkedPageCount == 0)
        // States that are left when the exploration stops have their test cases, too.
        limits.maximumPaths = 3
        let stopped = try Exploration.run(program, searcher: BreadthFirstSearcher(), limits: limits)
        #expect(stopped.report.stopped == .pathLimit)
        #expect(stopped.report.testCases.count == stopped.report.statistics.unfinishedPaths + 3)
    }

    @Test("limits of paths, states and instructions end with test cases for what is left")
    func limits() throws {
        var limits = ExplorationLimits.patient
        limits.maximumPaths = 5
        let few = try Exploration.run(Self.forks, limits: limits)
        #expect(few.report.stopped == .pathLimit)
        #expect(few.report.statistics.completedPaths == 5)
        #expect(few.report.statistics.unfinishedPaths > 0)
        limits = ExplorationLimits.patient
        limits.maximumStates = 4
        let narrow = try Exploration.run(Self.forks, limits: limits)
        #expect(narrow.report.stopped == .stateLimit)
        #expect(narrow.report.statistics.unfinishedPaths > 0)
        limits = ExplorationLimits.patient
        limits.maximumInstructions = 1000
        let endless = try Exploration.run("void start(void) { for (;;) __asm__ volatile(\"\"); }", limits: limits)
        #expect(endless.report.stopped == .instructionLimit)
        #expect(endless.report.testCases.map(\.end.kind) == ["unfinished"])
        limits = ExplorationLimits.patient
        limits.maximumTime = .milliseconds(50)
        let timed = try Exploration.run("void start(void) { for (;;) __asm__ volatile(\"\"); }", limits: limits)
        #expect(timed.report.stopped == .timeLimit)
    }

    /// Cancels after a few paths, and counts what it sees.
    private final class Watcher: ExplorationObserver {
        let cancellation: Cancellation
        var forks = 0
        var ended = 0

        init(_ cancellation: Cancellation) { self.cancellation = cancellation }

        func stateForked(parent: ExecutionState, child: ExecutionState) { forks += 1 }

        func pathEnded(_ testCase: TestCase) {
            ended += 1
            if ended == 3 { cancellation.cancel() }
        }
    }

    @Test("cancellation ends the run and reports the states that are left")
    func cancellation() throws {
        let cancellation = Cancellation()
        let watcher = Watcher(cancellation)
        let explorer = try Explorer(
            machine: try Guest(try Toolchain.compile(Self.forks)).machine(), cancellation: cancellation)
        let report = try explorer.run(observer: watcher)
        #expect(report.stopped == .cancelled)
        #expect(report.statistics.completedPaths == 3)
        #expect(report.testCases.count == watcher.ended)
        #expect(report.statistics.forks == watcher.forks)
        #expect(report.testCases.filter { $0.end.kind == "unfinished" }.allSatisfy { $0.inputs.count == 1 })
    }

    @Test("test cases encode to JSON and come back")
    func json() throws {
        let exploration = try Exploration.run(
            "u8 in[3]; void start(void) { SYMBOLIC(in, 3, \"a\\\\b\"); if (in[0] == '\\\\') END(1, \"x\"); END(0, \"\"); }"
        )
        for testCase in exploration.report.testCases {
            let data = try testCase.json()
            #expect(try JSONDecoder().decode(TestCase.self, from: data) == testCase)
        }
        let found = try #require(exploration.report.testCases.first { $0.end.status == 1 })
        #expect(found.inputs.first?.text == "\\\\\\x00\\x00")
        let summary = String(decoding: try exploration.report.json(), as: UTF8.self)
        #expect(summary.contains("\"complete\" : true"))
    }
}
