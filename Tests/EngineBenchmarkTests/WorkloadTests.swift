import EngineBenchmark
import Testing

/// The expected results, worked out from what the programs are said to do.
@Suite struct WorkloadTests {
    /// The sequence of `next_number` in `images/guest/benchmark/benchmark.h`.
    private struct Numbers {
        var state: UInt64

        mutating func next() -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33)
        }
    }

    private func digits(_ value: UInt64) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    @Test func primes() {
        // By trial division with the primes so far, not by a sieve.
        var primes: [Int] = [2]
        for number in stride(from: 3, to: 2_000_001, by: 2) {
            var isPrime = true
            for prime in primes {
                if prime * prime > number { break }
                if number.isMultiple(of: prime) {
                    isPrime = false
                    break
                }
            }
            if isPrime { primes.append(number) }
        }
        #expect(Workload.sieve.expected == digits(UInt64(primes.count)))
    }

    @Test func fibonacci() {
        var (last, next): (UInt64, UInt64) = (0, 1)
        for _ in 0..<30 { (last, next) = (next, last + next) }
        #expect(Workload.fib.expected == digits(last))
    }

    @Test func copies() {
        var numbers = Numbers(state: 1)
        let size = 1 << 20
        let source = (0..<size).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
        var target = [UInt8](repeating: 0, count: size)
        numbers = Numbers(state: 2)
        for index in 0..<8192 {
            let count = index.isMultiple(of: 64) ? 64 << 10 : numbers.next() % 4097
            let start = numbers.next() % (size - count + 1)
            let place = numbers.next() % (size - count + 1)
            target.replaceSubrange(place..<place + count, with: source[start..<start + count])
        }
        var sum: UInt64 = 0
        for index in stride(from: 0, to: size, by: 8) {
            let word = (0..<8).reduce(UInt64(0)) { $0 | UInt64(target[index + $1]) << UInt64(8 * $1) }
            sum = sum &* 31 &+ word
        }
        #expect(Workload.memcpy.expected == digits(sum))
    }

    @Test func lengths() {
        var numbers = Numbers(state: 3)
        let sum = (1...8192).reduce(UInt64(0)) { $0 + UInt64(numbers.next() % 401 * $1) }
        #expect(Workload.strlen.expected == digits(sum))
    }

    @Test func commandsFitIntoALineOfTheConsole() {
        for workload in Workload.allCases {
            // A longer line would be broken by the shell's editor, and its echo with it. "/ # " stands before it.
            #expect(ConsoleCommand(workload.command).line.count + 4 < 80)
            if let check = workload.check { #expect(ConsoleCommand(check).line.count + 4 < 80) }
            #expect(!workload.bareWords.isEmpty)
        }
        #expect(Workload.sort.command == "sort /tmp/text > /tmp/out")
        #expect(Workload.gzip.command == "gzip -c /tmp/text > /tmp/out")
    }
}
