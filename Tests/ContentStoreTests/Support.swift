import ContentStore
import Glibc
import Testing

/// A directory that is removed with everything in it.
final class TemporaryDirectory: Sendable {
    let path: String

    /// - Parameter isOnDisk: in the directory for temporary files; else in memory, if there is a file system for that: most tests make
    ///   thousands of small files, and what is durable is simulated.
    init(isOnDisk: Bool = false) throws {
        let parent = !isOnDisk && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : TemporaryDirectory.onDisk
        var template = Array("\(parent)/stemma-store-XXXXXX".utf8CString)
        path = try template.withUnsafeMutableBufferPointer { buffer in
            let start = try #require(buffer.baseAddress)
            let made = try #require(mkdtemp(start))
            return String(cString: made)
        }
    }

    deinit { TemporaryDirectory.remove(path) }

    private static var onDisk: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

    static func remove(_ path: String) {
        for name in (try? SystemFileSystem().entries(of: path)) ?? [] { remove("\(path)/\(name)") }
        if rmdir(path) != 0 { unlink(path) }
    }
}

/// A small generator of pseudo-random numbers (SplitMix64), the same on every run.
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// Bytes that do not compress.
    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count { withUnsafeBytes(of: next()) { bytes.append(contentsOf: $0) } }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// Bytes that compress.
    mutating func text(_ count: Int) -> [UInt8] {
        let word = bytes(24)
        return (0..<count).map { word[$0 % 24] ^ UInt8($0 / 4096 & 255) }
    }
}

/// A store in a directory of its own.
struct Fixture {
    let directory: TemporaryDirectory
    let store: ContentStore

    init() throws {
        directory = try TemporaryDirectory()
        store = try ContentStore.open(at: "\(directory.path)/store", createIfMissing: true)
    }

    /// The same store, as another process would see it.
    func reopened() throws -> ContentStore {
        try ContentStore.open(at: store.path, createIfMissing: false)
    }
}

extension ContentStore {
    /// Stores bytes as a tree, and a ref to a commit of it.
    @discardableResult
    func add(
        _ name: String, _ bytes: [UInt8], kind: TreeKind = .disk, options: IngestOptions = IngestOptions()
    ) throws -> TreeRoot {
        let ingest = try beginIngest(label: "test", options: options)
        let editor = try ingest.edit(nil, kind: kind, length: UInt64(bytes.count))
        try editor.write(bytes, at: 0)
        let root = try editor.finish()
        let commit = try ingest.putCommit(
            Commit(kind: "test", trees: ["t": root], time: Timestamp(seconds: 1)))
        try ingest.publish([RefChange(name, new: commit)], operation: "add \(name)")
        return root
    }

    /// All bytes of a tree.
    func bytes(_ root: TreeRoot) throws -> [UInt8] {
        try read(root, at: 0, count: Int(root.length))
    }

    /// The files in a directory of the store, as paths.
    func files(_ directory: String) throws -> [String] {
        try SystemFileSystem().entries(of: "\(path)/\(directory)").sorted().map { "\(path)/\(directory)/\($0)" }
    }
}

/// The bytes of a file.
func contents(of path: String) throws -> [UInt8] {
    let system = SystemFileSystem()
    let descriptor = try system.open(path, flags: O_RDONLY, mode: 0)
    defer { system.close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: Int(try system.size(of: descriptor)))
    let count = try bytes.withUnsafeMutableBytes { try system.read(descriptor, into: $0, at: 0) }
    #expect(count == bytes.count)
    return bytes
}

/// Replaces the bytes of a file, in place.
func overwrite(_ path: String, _ bytes: [UInt8]) throws {
    let system = SystemFileSystem()
    let descriptor = try system.open(path, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
    defer { system.close(descriptor) }
    let count = try bytes.withUnsafeBytes { try system.write(descriptor, $0, at: 0) }
    #expect(count == bytes.count)
}

/// How much a long test does: a part of it, or all with `STEMMA_TEST_SCALE=full`.
enum Scale {
    static var isFull: Bool { getenv("STEMMA_TEST_SCALE").map { String(cString: $0) } == "full" }

    static func count(_ usual: Int, full: Int) -> Int { isFull ? full : usual }
}

/// A thread of its own.
final class OtherThread {
    private var thread = pthread_t()

    private final class Box {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }

    init(_ body: @escaping () -> Void) throws {
        let box = Unmanaged.passRetained(Box(body))
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        try #require(status == 0)
    }

    func join() { pthread_join(thread, nil) }

    /// Runs something in a thread of its own, and waits for it.
    static func run(_ body: () throws -> Void) throws {
        var failure: (any Error)?
        try withoutActuallyEscaping(body) { body in
            let thread = try OtherThread {
                do { try body() } catch { failure = error }
            }
            thread.join()
        }
        if let failure { throw failure }
    }
}
