import Conversion
import Foundation
import Lineage

/// What `stemma benchmark convert` measured.
package struct ConversionBenchmark: Sendable, Codable {
    package let snapshot: String
    /// Main memory in MiB.
    package let memoryMiB: UInt64
    /// CPUs of the guest.
    package let cpus: Int
    package let target: String
    /// Seconds for all checks: the best and the middle of several.
    package let check: Times
    /// Seconds for a conversion into the store, with its checks before and after.
    package let convert: Times
    /// Pages of RAM that the conversion wrote.
    package let changedPages: Int

    package struct Times: Sendable, Codable {
        package let best: Double
        package let median: Double

        init(_ times: [Double]) {
            let sorted = times.sorted()
            best = sorted.first ?? 0
            median = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        }
    }

    package var text: String {
        func line(_ what: String, _ times: Times) -> String {
            what.padding(toLength: 10, withPad: " ", startingAt: 0)
                + String(format: "%8.3f s best %8.3f s median", times.best, times.median)
        }
        return """
            \(snapshot): \(memoryMiB) MiB, \(cpus) CPU, for \(target)
            \(line("check", check))
            \(line("convert", convert))
            \(changedPages) pages of RAM written
            """
    }
}

extension Stemma {
    /// Measures check and conversion of a snapshot. The converted snapshots are removed again.
    package func benchmarkConversion(
        _ reference: Reference, policy: PolicySource, target: String? = nil, rounds: Int = 5
    ) async throws -> ConversionBenchmark {
        let snapshot = try catalogue.snapshot(reference)
        let clock = ContinuousClock()
        var checks: [Double] = []
        var conversions: [Double] = []
        var report: CheckReport?
        var pages = 0
        for round in 0..<max(1, rounds) {
            progress.step("round \(round + 1) of \(max(1, rounds))")
            var start = clock.now
            report = try await check(reference, policy: policy, target: target)
            checks.append((clock.now - start).seconds)
            let name = try Name("benchmark-\(snapshot.digest.hex.prefix(8))-\(round)")
            start = clock.now
            let result = try await convert(reference, as: name, policy: policy, target: target)
            conversions.append((clock.now - start).seconds)
            pages = result.changedPages
            _ = try removeSnapshot(Reference(vm: reference.vm, snapshot: name))
        }
        return ConversionBenchmark(
            snapshot: reference.description, memoryMiB: (snapshot.commit.ram["pc.ram"]?.length ?? 0) >> 20,
            cpus: report?.cpus ?? 0, target: report?.target ?? "", check: ConversionBenchmark.Times(checks),
            convert: ConversionBenchmark.Times(conversions), changedPages: pages)
    }
}
