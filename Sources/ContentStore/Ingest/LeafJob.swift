import Dispatch

/// Leaves that are stored on other threads while the owner of the ingest gets the next ones ready.
///
/// `@unchecked Sendable`: `work` is set before the job starts and taken by the thread that does it; the result is written before `done`
/// is signalled, and read after waiting for it.
final class LeafJob: @unchecked Sendable {
    private let done = DispatchGroup()
    private var work: LeafWork?
    private var result: Result<[Digest], StoreError> = .success([])

    fileprivate init(_ work: LeafWork) {
        self.work = work
    }

    fileprivate func start() {
        done.enter()
        DispatchQueue.global().async {
            self.result = self.perform()
            self.done.leave()
        }
    }

    /// When this has returned, the job does not keep the ingest (and its lease) any more: whoever waits for the job and lets go of the
    /// ingest has ended it.
    private func perform() -> Result<[Digest], StoreError> {
        guard let work = work.take() else { return .success([]) }
        return Result { () throws(StoreError) in try work.run() }
    }

    /// The digests, when all leaves are in the ingest's hands.
    func wait() -> Result<[Digest], StoreError> {
        done.wait()
        return result
    }
}

extension Ingest {
    /// Begins to store leaves on other threads. Waits for those before.
    ///
    /// - Parameters:
    ///   - buffer: begins with whole leaves, at most `LeafBatch.size`. It belongs to the ingest from now on.
    ///   - positions: the number in the tree of each leaf.
    /// - Returns: the job, and a buffer for the next leaves.
    func beginLeaves(
        _ buffer: ByteBuffer, _ positions: [UInt64], kind: TreeKind
    ) throws(StoreError) -> (job: LeafJob, next: ByteBuffer) {
        settle()
        try checkOpen()
        let next = batchBuffers.take()
        let job = LeafJob(LeafWork(ingest: self, buffer: buffer, positions: positions, kind: kind))
        activeJob = job
        job.start()
        return (job, next)
    }
}

/// `@unchecked Sendable`: while it runs, `Ingest.activeJob` keeps the owner's thread away from all that it touches, and whoever handed the
/// buffer over does not use it any more.
private struct LeafWork: @unchecked Sendable {
    let ingest: Ingest
    let buffer: ByteBuffer
    let positions: [UInt64]
    let kind: TreeKind

    func run() throws(StoreError) -> [Digest] {
        let bytes = UnsafeRawBufferPointer(buffer.bytes.part(0, positions.count * TreeShape(kind).leafSize))
        return try ingest.processLeaves(bytes, positions, kind: kind, in: buffer)
    }
}
