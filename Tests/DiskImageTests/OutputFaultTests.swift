import DiskImage
import Foundation
import Glibc
import Synchronization
import Testing

/// System calls of which one fails.
private final class FaultyCalls: OutputFileCalls {
    enum Fault: Sendable {
        /// This call fails with this error, and all after it.
        case error(call: Int, number: Int32)
        /// Every write takes a few bytes only.
        case shortWrites
        /// There are no unnamed files.
        case namedOnly
        /// As `.error`, on a file system without unnamed files.
        case namedError(call: Int, number: Int32)
        /// The process is killed at this call.
        case death(call: Int)
    }

    private let fault: Fault
    private let made = Atomic<Int>(0)
    private let system = SystemFileCalls()

    init(_ fault: Fault) { self.fault = fault }

    var count: Int { made.load(ordering: .relaxed) }

    private func step() throws(OutputCallError) {
        let number = made.wrappingAdd(1, ordering: .relaxed).newValue
        switch fault {
        case .error(let call, let error), .namedError(let call, let error):
            if number >= call { throw OutputCallError(error) }
        case .death(let call): if number == call { kill(getpid(), SIGKILL) }
        case .shortWrites, .namedOnly: break
        }
    }

    func open(_ path: String, flags: Int32, mode: UInt32) throws(OutputCallError) -> Int32 {
        try step()
        switch fault {
        case .namedOnly, .namedError: if flags & O_CREAT == 0, flags & O_RDWR != 0 { throw OutputCallError(EOPNOTSUPP) }
        default: break
        }
        return try system.open(path, flags: flags, mode: mode)
    }

    func write(
        _ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: UInt64
    ) throws(OutputCallError) -> Int {
        try step()
        guard case .shortWrites = fault else { return try system.write(descriptor, bytes, at: offset) }
        let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(max(1, min(bytes.count - 1, 10_007))))
        return try system.write(descriptor, part, at: offset)
    }

    func truncate(_ descriptor: Int32, to size: UInt64) throws(OutputCallError) {
        try step()
        try system.truncate(descriptor, to: size)
    }

    func synchronize(_ descriptor: Int32) throws(OutputCallError) {
        try step()
        try system.synchronize(descriptor)
    }

    func link(_ source: String, as path: String) throws(OutputCallError) {
        try step()
        try system.link(source, as: path)
    }

    func rename(_ old: String, to new: String) throws(OutputCallError) {
        try step()
        try system.rename(old, to: new)
    }

    // What tidies up works.
    func unlink(_ path: String) throws(OutputCallError) { try system.unlink(path) }
}

/// A file is whole or it is not there.
@Suite struct OutputFaultTests {
    private let image = MemoryImage(seed: 6, size: (5 << 20) + 512, unit: 32_768)

    private func write(_ format: DiskImages.Format, to path: String, calls: FaultyCalls?, replaces: Bool = false) throws
    {
        if format == .raw {
            var options = RawWriteOptions()
            options.replaces = replaces
            if let calls { options.calls = calls }
            try RawWriter.write(image, to: path, options: options)
        } else {
            var options = Qcow2WriteOptions()
            options.replaces = replaces
            options.compression = .zstd(level: 1)
            if let calls { options.calls = calls }
            try Qcow2Writer.write(image, to: path, options: options)
        }
    }

    @Test(arguments: [DiskImages.Format.raw, .qcow2], [ENOSPC, EIO, EDQUOT])
    func everyCallMayFail(_ format: DiskImages.Format, _ number: Int32) throws {
        let directory = try TemporaryDirectory()
        let path = directory("new")
        for isNamed in [false, true] {
            for replaces in [false, true] {
                let before = [UInt8](repeating: 7, count: 1000)
                // One run without a fault counts the calls.
                let counting = FaultyCalls(isNamed ? .namedOnly : .error(call: .max, number: 0))
                try? FileManager.default.removeItem(atPath: path)
                try write(format, to: path, calls: counting, replaces: replaces)
                #expect(counting.count > 4)
                for call in 1...counting.count {
                    try? FileManager.default.removeItem(atPath: path)
                    if replaces { _ = try directory.write(before, to: "new") }
                    let fault =
                        isNamed
                        ? FaultyCalls.Fault.namedError(call: call, number: number) : .error(call: call, number: number)
                    let error = #expect(throws: DiskImageError.self) {
                        try write(format, to: path, calls: FaultyCalls(fault), replaces: replaces)
                    }
                    #expect((error?.code == .noSpace) == (number != EIO))
                    #expect(error?.message.contains(path) == true)
                    // The directory is synchronised last (two calls), when the whole file has its name.
                    if call > counting.count - 2 {
                        #expect(try DiskImages.open(path: path, format: format).virtualSize == image.virtualSize)
                        #expect(error?.message.contains("stays") == true)
                    } else {
                        #expect((try? directory.read("new")) == (replaces ? before : nil))
                    }
                    let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
                    #expect(names.allSatisfy { $0 == "new" })
                }
            }
        }
    }

    @Test(arguments: [DiskImages.Format.raw, .qcow2]) func shortWritesAreCompleted(_ format: DiskImages.Format) throws {
        let directory = try TemporaryDirectory()
        for fault in [FaultyCalls.Fault.shortWrites, .namedOnly] {
            try write(format, to: directory("new"), calls: FaultyCalls(fault), replaces: true)
            try expectContents(of: DiskImages.open(path: directory("new"), format: format), equal: image.bytes)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["new"])
        }
    }

    @Test(arguments: [DiskImages.Format.raw, .qcow2]) func existingFilesStay(_ format: DiskImages.Format) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write([1, 2, 3], to: "new")
        let error = #expect(throws: DiskImageError.self) { try write(format, to: path, calls: nil) }
        #expect(error?.code == .exists)
        #expect(try directory.read("new") == [1, 2, 3])
        // Somebody else makes the file while it is written.
        var writer = try Qcow2Writer(path: directory("late"), virtualSize: 1 << 20)
        try writer.write(MemoryImage(seed: 1, size: 1 << 20, unit: 4096))
        _ = try directory.write([4], to: "late")
        let late: DiskImageError?
        do {
            _ = try writer.finish()
            late = nil
        } catch { late = error }
        #expect(late?.code == .exists)
        #expect(try directory.read("late") == [4])
        // Not a file that could be replaced.
        let directoryError = #expect(throws: DiskImageError.self) {
            try write(format, to: directory.path, calls: nil, replaces: true)
        }
        #expect(directoryError?.code == .cannotCreate)
        let missing = #expect(throws: DiskImageError.self) {
            try write(format, to: directory("no/such/directory"), calls: nil)
        }
        #expect(missing?.code == .cannotCreate)
    }

    /// Killed in the middle: with files that have no name nothing is left, not even a partial one.
    @Test(arguments: [false, true]) func aKilledWriterLeavesNothing(_ isRaw: Bool) async throws {
        let directory = try TemporaryDirectory()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = directory.path as String, isRaw = isRaw as Bool] in
            let image = MemoryImage(seed: 6, size: 5 << 20, unit: 32_768)
            let calls = FaultyCalls(.death(call: 6))
            if isRaw {
                var options = RawWriteOptions()
                options.calls = calls
                try RawWriter.write(image, to: "\(path)/new", options: options)
            } else {
                var options = Qcow2WriteOptions()
                options.calls = calls
                try Qcow2Writer.write(image, to: "\(path)/new", options: options)
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }

    /// A source that fails, and a caller that has enough.
    @Test(arguments: [DiskImages.Format.raw, .qcow2]) func brokenOffWorkLeavesNothing(_ format: DiskImages.Format)
        throws
    {
        let directory = try TemporaryDirectory()
        struct Enough: Error {}
        let broken = BrokenImage(image: image, limit: 3 << 20)
        func write(_ image: any DiskImage, _ progress: (UInt64) throws -> Void) throws {
            if format == .raw {
                try RawWriter.write(image, to: directory("new"), progress: progress)
            } else {
                try Qcow2Writer.write(image, to: directory("new"), progress: progress)
            }
        }
        #expect(throws: Enough.self) { try write(image) { _ in throw Enough() } }
        let error = #expect(throws: DiskImageError.self) { try write(broken) { _ in } }
        #expect(error?.code == .truncated)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    }

    /// An image whose file was cut off.
    private struct BrokenImage: DiskImage {
        let image: MemoryImage
        let limit: UInt64

        var virtualSize: UInt64 { image.virtualSize }

        func extents(from offset: UInt64, length: UInt64) throws(DiskImageError) -> [DiskExtent] {
            try image.extents(from: offset, length: length)
        }

        func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
            guard offset + UInt64(buffer.count) < limit else { throw DiskImageError(.truncated, "cut off") }
            try image.read(at: offset, into: buffer)
        }
    }
}
