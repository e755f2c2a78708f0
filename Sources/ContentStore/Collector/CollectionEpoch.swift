import Glibc

/// The number in `trash/epoch`. See <doc:Format#Epochs>.
struct CollectionEpoch: Hashable, Sendable {
    /// 0 when nothing was ever collected, odd while packs are being moved to the trash; nil when it cannot be known.
    let number: UInt64?

    static let none = CollectionEpoch(number: 0)
    static let unknown = CollectionEpoch(number: nil)

    /// Nothing that was seen in this epoch goes away as long as it lasts.
    var isStable: Bool { number.map { $0 % 2 == 0 } ?? false }
}

extension ContentStore {
    /// The present epoch. One that cannot be read is unknown, which only makes changes of refs slower.
    func epoch() throws(StoreError) -> CollectionEpoch {
        let bytes: [UInt8]
        do throws(StoreError) {
            bytes = try FileDescriptor.contents(of: layout.epoch, limit: 4096, in: fileSystem)
        } catch {
            switch error.code {
            case .notFound: return .none
            case .damaged: return .unknown
            default: throw error
            }
        }
        guard
            let text = SealedText.open(bytes), text.starts(with: "epoch ".utf8),
            let number = UInt64(String(decoding: text.dropFirst(6), as: UTF8.self)), number < 1 << 62
        else { return .unknown }
        return CollectionEpoch(number: number)
    }

    /// Writes the next odd epoch and waits until it is on disk. The caller holds the lock of the refs.
    func beginEpoch() throws(StoreError) -> UInt64 {
        let next = try nextEpoch(odd: true)
        try writeEpoch(next, durably: true)
        return next
    }

    /// Writes the next even epoch. The caller holds the lock of the refs.
    @discardableResult
    func endEpoch() throws(StoreError) -> UInt64 {
        let next = try nextEpoch(odd: false)
        // When it is lost, packs count as being moved, which is on the safe side.
        try writeEpoch(next, durably: false)
        return next
    }

    private func nextEpoch(odd: Bool) throws(StoreError) -> UInt64 {
        let number: UInt64
        if let known = try epoch().number {
            number = known
        } else {
            // The file is damaged: beyond everything that the trash and leases remember.
            let seen = try trashFiles().map(\.epoch) + liveLeases().map(\.description.epoch)
            number = (seen.max() ?? 0) + 2
        }
        let next = number + 1
        return next % 2 == (odd ? 1 : 0) ? next : next + 1
    }

    private func writeEpoch(_ number: UInt64, durably: Bool) throws(StoreError) {
        let text = SealedText.seal(Array("epoch \(number)".utf8))
        // A name that the next change of refs sweeps away.
        let spare = layout.temporary("ref-\(StoreLayout.uniqueName())")
        let fileSystem = fileSystem
        let target = layout.epoch
        do throws(StoreError) {
            try writeDurably(text, to: spare)
            try calling("writing the epoch of collections", path: target) { () throws(SystemCallError) in
                try fileSystem.rename(spare, to: target)
            }
        } catch {
            try? fileSystem.unlink(spare)
            throw error
        }
        if durably { try FileDescriptor.synchronizeDirectory(layout.trash, in: fileSystem) }
    }
}
