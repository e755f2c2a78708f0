import EngineBenchmark
import Testing

@Suite struct ConsoleTests {
    @Test func theOutputIsWhatStandsBehindTheEcho() {
        let console = "sieve; echo end''-$?-\r\n00000000000245c5\r\n"
        #expect(ConsoleCommand.output(of: console) == "00000000000245c5\n")
        // The shell asks the terminal for the place of its cursor.
        #expect(
            ConsoleCommand.output(of: "\u{1B}[6nfib; echo end''-$?-\r\n\u{1B}[1;2Hone\r\ntwo\r\n") == "one\ntwo\n")
        // What the shell wrote behind the command before came late.
        #expect(
            ConsoleCommand.output(of: "\r\n/ # \u{1B}[6nsieve; echo end''-$?-\r\n00000000000245c5\r\n")
                == "00000000000245c5\n")
        // Typed before the shell was there: the terminal's echo, and the shell's.
        #expect(
            ConsoleCommand.output(of: "fib; echo end''-$?-\r\n/ # \u{1B}[6nfib; echo end''-$?-\r\n000cb228\r\n")
                == "000cb228\n")
        #expect(ConsoleCommand.output(of: "true; echo end''-$?-\r\n") == "")
    }

    @Test func theEchoDoesNotHoldTheEndMark() {
        #expect(!ConsoleCommand("sieve").line.contains(ConsoleCommand.endMark))
        #expect(ConsoleCommand("sieve").line.hasSuffix("\r"))
    }

    @Test func aRunIsRightWithItsOutputAndItsStatus() {
        var run = GuestRun(seconds: 1, status: "0", output: "00000000000245c5\n")
        #expect(run.isRight(for: .sieve))
        #expect(!run.isRight(for: .fib))
        run.status = "1"
        #expect(!run.isRight(for: .sieve))
        run = GuestRun(seconds: 1, status: "0", output: "", checked: Workload.sort.expected + "  -\n")
        #expect(run.isRight(for: .sort))
        #expect(!run.isRight(for: .gzip))
        run.checked = ""
        #expect(!run.isRight(for: .sort))
    }
}
