import BlockService
import Foundation
import Testing

/// `kill -9` of a process that writes: what it flushed is there.
@Suite(.serialized) struct OverlayCrashTests {
    static let seed: UInt64 = 77
    static let changeCount = 4000

    static var base: MemorySource { MemorySource.sparse(blocks: 40, seed: 5) }

    @Test(arguments: [2, 20, 60, 150, 300]) func flushedChangesSurvive(_ milliseconds: Int) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, milliseconds = milliseconds as Int] in
            try OverlayCrashTests.writeUntilKilled(path, milliseconds)
        }
        // How many changes were flushed: the last number that the child could write down.
        let log = try directory.read("flushed")
        let flushed = log.count / 4 * 4 == 0 ? 0 : Int(value(log[(log.count / 4 - 1) * 4..<log.count / 4 * 4]))
        let overlay = try OverlaySource.open(at: directory("overlay"), base: Self.base, name: "base")
        let bytes = try overlay.bytes()
        var model = DiskModel(Self.base.bytes, seed: Self.seed)
        for _ in 0..<flushed { model.apply(model.nextChange()) }
        // Each byte is that of the flush, or of some change after it.
        var isExplained = zip(bytes, model.bytes).map { $0 == $1 }
        for _ in flushed..<min(flushed + 64, Self.changeCount) {
            if !isExplained.contains(false) { break }
            let change = model.nextChange()
            model.apply(change)
            for index in change.range where bytes[index] == model.bytes[index] { isExplained[index] = true }
        }
        #expect(!isExplained.contains(false), "\(flushed) changes were flushed")
        // It can be written to again.
        try overlay.write([1, 2, 3], at: 4000)
        #expect(try overlay.bytes(at: 4000, count: 3) == [1, 2, 3])
    }

    /// The child: changes, flushes, writes down how far it came, until a thread kills it.
    static func writeUntilKilled(_ path: String, _ milliseconds: Int) throws {
        let overlay = try OverlaySource.open(at: path + "/overlay", base: base, name: "base")
        try Data().write(to: URL(fileURLWithPath: path + "/flushed"))
        let log = try #require(FileHandle(forWritingAtPath: path + "/flushed"))
        Thread.detachNewThread {
            usleep(UInt32(milliseconds * 1000))
            kill(getpid(), SIGKILL)
        }
        var model = DiskModel(base.bytes, seed: seed)
        for number in 1...changeCount {
            let change = model.nextChange()
            model.apply(change)
            try change.apply(to: overlay)
            if number % 13 == 0 {
                try overlay.flush()
                try log.write(contentsOf: Data(bigEndian(UInt32(number))))
            }
            // New layers now and then, as after commits that failed.
            if number % 500 == 0 { _ = try overlay.freeze() }
        }
        kill(getpid(), SIGKILL)
    }
}
