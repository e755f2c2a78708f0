import Benchmarking
import Foundation
import Testing
import Workflow

/// Two lines of a table.
private enum Row: String, TableRow {
    case first, second

    var title: String { "the \(rawValue) thing" }
    var target: String { "better than others" }
    var tools: [Requirement] { [] }
}

@Suite struct ReportTests {
    @Test func theMedianIsTheMiddle() {
        #expect(Figure("a", .seconds, [3, 1, 2]).value == 2)
        #expect(Figure("a", .seconds, [4, 1, 2, 3]).value == 2.5)
        #expect(Figure("a", .seconds, []).value == 0)
    }

    @Test func limitsHoldBothWays() {
        #expect(Comparison("a", ratio: 3, .atLeast, 3).isMet)
        #expect(!Comparison("a", ratio: 2.99, .atLeast, 3).isMet)
        #expect(Comparison("a", ratio: 1, .atMost, 1).isMet)
        #expect(!Comparison("a", ratio: 1.01, .atMost, 1).isMet)
        #expect(!Comparison("a", ratio: .nan, .atMost, 1).isMet)
        #expect(!Comparison("a", ratio: .infinity, .atMost, 1).isMet)
        #expect(Comparison("a", ratio: 0.001, .atLeast, nil).isMet)
    }

    @Test func numbersHaveUnitsThatPeopleRead() {
        #expect(Figure.format(0.000_012_3, .seconds) == "12.30 µs")
        #expect(Figure.format(0.0123, .seconds) == "12.3 ms")
        #expect(Figure.format(12.3, .seconds) == "12.30 s")
        #expect(Figure.format(123_400_000, .instructionsPerSecond) == "123.4 M/s")
        #expect(Figure.format(123_400_000, .instructions) == "123.4 M")
        #expect(Figure.format(1_572_864, .bytes) == "1.5 MiB")
    }

    @Test func aRowIsMetWhenEverythingInItIs() {
        var row = RowReport(Row.first)
        #expect(!row.isMet, "a row without a result is not met")
        row.comparisons.append(Comparison("a", ratio: 1, .atLeast, 0.8))
        #expect(row.isMet)
        row.check("the same bytes", true)
        #expect(row.isMet)
        row.check("the same bytes", false)
        #expect(!row.isMet)
    }

    @Test func aRowThatFailsIsMissedAndSaysWhy() throws {
        var row = RowReport(Row.first)
        row.comparisons.append(Comparison("import / 300 MiB", ratio: 0.5, .atMost, 1))
        row.failure = "there is no room"
        #expect(!row.isMet)
        #expect(row.text.hasPrefix("MISSED the first thing"))
        #expect(row.text.hasSuffix("not measured to its end: there is no room"))
        let decoded = try JSONDecoder().decode(RowReport.self, from: JSONEncoder().encode(row))
        #expect(decoded.failure == "there is no room")
    }

    @Test func theTableSaysWhatWasMissedAndTheJSONHasEverySample() throws {
        var report = BenchmarkTable()
        var row = RowReport(Row.second)
        row.add(Figure("of an empty VM", .seconds, [0.004, 0.006, 0.005], command: "stemma vm clone A B"))
        let peer = Figure("a peer", .seconds, [0.02])
        row.comparisons.append(Comparison("peer / stemma", peer: peer, ratio: 4, .atLeast, 5))
        report.rows.append(row)
        #expect(report.text.contains("MISSED the second thing"))
        #expect(report.text.contains("5.0 ms  (4.0 ms ... 6.0 ms, 3 times)  stemma vm clone A B"))
        #expect(report.text.contains("4.00x  (>= 5.00) MISSED"))
        #expect(report.text.hasSuffix("0 of 1 rows meet their target"))
        let decoded = try JSONDecoder().decode(BenchmarkTable.self, from: JSONEncoder().encode(report))
        #expect(decoded.rows.first?.own.first?.samples == [0.004, 0.006, 0.005])
        #expect(decoded.rows.first?.comparisons.first?.peer?.value == 0.02)
        let text = String(decoding: try JSONEncoder().encode(report), as: UTF8.self)
        #expect(text.contains("\"isMet\":false"))
    }

    @Test func missingProgramsAreNamedWithTheirPackages() throws {
        let error = #expect(throws: WorkflowError.self) {
            try Requirement.find(
                [Requirement("no-such-archiver", package: "no-such-package"), .qemuImg], searchPath: "/nowhere")
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("no-such-archiver") == true)
        #expect(error?.message.contains("apt-get install no-such-package") == true)
    }
}
