import Foundation
import Synchronization

/// The directory of one run, owned by this process: record, lock, overlays, sockets and logs.
///
/// The lock is inherited by QEMU, so a run counts as alive as long as its owner or QEMU lives. The directory stays
/// after a crash, because its overlays may hold snapshots; ``remove()`` is the explicit end.
package final class RunDirectory: Sendable {
    package let paths: RunPaths
    private let lock: RunLock
    private let current: Mutex<RunRecord>

    package var record: RunRecord { current.withLock { $0 } }
    /// The descriptor that QEMU inherits so that the lock lives as long as QEMU.
    var lockDescriptor: Int32 { lock.descriptor.raw }

    private init(record: RunRecord, lock: consuming RunLock) {
        self.paths = record.paths
        self.lock = lock
        self.current = Mutex(record)
    }

    /// Creates a run directory below `base` and locks it.
    ///
    /// - Parameters:
    ///   - base: private to the user; created with mode 0700 when missing.
    ///   - name: the VM's name.
    ///   - purpose: what the run is for.
    ///   - exclusive: refuse when a run of this name is alive.
    ///   - shortDirectory: where a socket directory is made when paths below `base` are too long for sockets.
    /// - Throws: ``HypervisorError`` with `.alreadyRunning` or `.io`.
    package static func create(
        under base: String, name: String, purpose: String, exclusive: Bool = true, shortDirectory: String = "/tmp"
    ) throws -> RunDirectory {
        do {
            try FileManager.default.createDirectory(
                atPath: base, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw HypervisorError(
                .io(errno: EIO), "Cannot create the directory for runs, \(base).", cause: error.localizedDescription)
        }
        // One process at a time looks for a name and claims it.
        let registryLock = try RunLock(acquiring: base + "/lock")
        defer { _ = registryLock.descriptor.raw }
        if exclusive, let other = try RunRegistry(base: base).running(name: name) {
            throw HypervisorError(
                .alreadyRunning,
                "\(name) is running already (\(other.purpose), process \(other.ownerProcess)). "
                    + "End that run first, or clone the VM.")
        }
        let id = try makeDirectory(under: base)
        let directory = base + "/" + id
        let paths = try RunPaths(
            directory: directory, socketDirectory: socketDirectory(for: directory, shortDirectory: shortDirectory))
        let lock = try RunLock(acquiring: paths.lockFile)
        let record = RunRecord(
            id: id, name: name, purpose: purpose, ownerProcess: getpid(), startedAt: RunFiles.now(), paths: paths)
        try RunFiles.write(record, to: paths.recordFile)
        return RunDirectory(record: record, lock: lock)
    }

    /// Changes the record and writes it.
    func update(_ change: (inout RunRecord) -> Void) throws {
        let record = current.withLock {
            change(&$0)
            return $0
        }
        try RunFiles.write(record, to: paths.recordFile)
    }

    /// Deletes the directory with everything in it. Call it when QEMU has ended and its snapshots are ingested.
    package func remove() throws { try Self.remove(paths) }

    /// Deletes the files of a run that nobody owns.
    static func remove(_ paths: RunPaths) throws {
        let directories = Set([paths.directory, paths.socketDirectory])
        for directory in directories where FileManager.default.fileExists(atPath: directory) {
            do {
                try FileManager.default.removeItem(atPath: directory)
            } catch {
                throw HypervisorError(
                    .io(errno: EIO), "Cannot remove the run directory \(directory).", cause: error.localizedDescription)
            }
        }
    }

    private static func makeDirectory(under base: String) throws(HypervisorError) -> String {
        while true {
            let digits = String(UInt32.random(in: 0...UInt32.max), radix: 16)
            let id = "r" + String(repeating: "0", count: 8 - digits.count) + digits
            if mkdir(base + "/" + id, 0o700) == 0 { return id }
            guard errno == EEXIST else { throw .system("create a run directory in \(base)") }
        }
    }

    /// The run directory itself when its sockets fit `sun_path`, else a new short directory.
    private static func socketDirectory(for directory: String, shortDirectory: String) throws(HypervisorError) -> String
    {
        if directory.utf8.count + RunPaths.longestSocketName <= RunPaths.longestSocketPath { return directory }
        var template = Array((shortDirectory + "/stemma-XXXXXX").utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) } != nil
        }
        guard made else { throw .system("create a directory for sockets in \(shortDirectory)") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
