import ContentStore
import Foundation
import Testing
import Workflow

@Suite struct TextTests {
    @Test(
        arguments: [
            ("0", 0), ("4096", 4096), ("4096b", 4096), ("1k", 1024), ("1K", 1024), ("1KB", 1024), ("1KiB", 1024),
            ("20G", 20 << 30), ("1.5T", 3 << 39), ("0.5g", 1 << 29), ("16383P", 16383 << 50),
        ] as [(String, UInt64)])
    func sizesArePowersOf1024(text: String, bytes: UInt64) {
        #expect(ByteSize(parsing: text)?.bytes == bytes)
    }

    @Test(arguments: [
        "", "G", "-1", "+1", "1 G", "1.G", ".5G", "1.5", "1..5G", "1.5.2G", "20X", "ib", "1ib", "18446744073709551616",
        "16384P", "99999999999999999999G", "0.1234567G", "١G",
    ])
    func whatIsNoSizeIsRefused(text: String) {
        #expect(ByteSize(parsing: text) == nil)
    }

    @Test func momentsAreDatesTimesOrHowLongAgo() throws {
        let now = Timestamp(seconds: 1_000_000, nanoseconds: 5)
        func seconds(_ text: String) -> Int64? { Moment(parsing: text, now: now)?.time.seconds }
        #expect(seconds("90s") == 999_910)
        #expect(seconds("2h") == 992_800)
        #expect(seconds("7d") == 395_200)
        #expect(seconds("@1936094400") == 1_936_094_400)
        #expect(seconds("2031-05-09T12:00:00Z") == 1_936_094_400)
        #expect(seconds("2031-05-09T14:00:00+02:00") == 1_936_094_400)
        let day = try #require(seconds("2031-05-09"))
        #expect(seconds("2031-05-09 14:00") == day + 14 * 3600)
        #expect(seconds("2031-05-09 14:00:30") == day + 14 * 3600 + 30)
        for bad in ["", "h", "-1h", "2031-13-01", "2031-02-30", "yesterday", "12", "99999999999999999999d", "@x"] {
            #expect(seconds(bad) == nil, "\(bad)")
        }
    }

    @Test func theProgressLineFitsAndTellsHowFar() {
        var meter = ProgressMeter()
        meter.update("reading disk.raw", ProgressAmount(done: 0, total: 2 << 30), at: .seconds(100))
        #expect(meter.line(width: 200) == "· reading disk.raw  0 B of 2.00 GiB, 0 %")
        meter.update("reading disk.raw", ProgressAmount(done: 1 << 30, total: 2 << 30), at: .seconds(104))
        #expect(meter.line(width: 200) == "· reading disk.raw  1.00 GiB of 2.00 GiB, 50 %, 256 MiB/s, 4 s left")
        for width in [0, 1, 5, 20, 30, 50, 60, 80] { #expect(meter.line(width: width).count <= max(width, 0)) }
        meter.update("marking", ProgressAmount(done: 7, unit: .items("objects")), at: .seconds(105))
        #expect(meter.line(width: 80) == "· marking  7 objects")
    }

    @Test func aPlainReaderHearsOfEachTenth() {
        var meter = ProgressMeter()
        var lines: [String] = []
        for percent in 0...100 {
            meter.update(
                "reading", ProgressAmount(done: UInt64(percent), total: 100, unit: .items("parts")),
                at: .milliseconds(percent * 200))
            if let line = meter.occasionalLine() { lines.append(line) }
        }
        #expect(lines.count == 10)
        #expect(lines.first?.hasPrefix("reading: 10 parts of 100 parts, 10 %") == true)
        // What is done at once is not told at all.
        var quick = ProgressMeter()
        quick.update("reading", ProgressAmount(done: 100, total: 100), at: .milliseconds(1))
        #expect(quick.occasionalLine() == nil)
    }
}
