import StoreBenchmark
import Testing

@Suite struct BenchmarkRowTests {
    @Test func everyRowHasATitleATargetAndItsTools() {
        for row in BenchmarkRow.allCases {
            #expect(!row.title.isEmpty)
            #expect(!row.target.isEmpty)
        }
        #expect(BenchmarkRow.firstImport.tools.map(\.program) == ["restic", "borg", "casync"])
    }
}
