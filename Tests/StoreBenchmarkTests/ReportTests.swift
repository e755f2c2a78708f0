import StoreBenchmark
import Testing

@Suite struct ReportTests {
    @Test func everyRowHasAName() {
        #expect(Set(BenchmarkRow.allCases.map(\.rawValue)).count == BenchmarkRow.allCases.count)
    }
}
