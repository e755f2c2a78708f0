import Glibc

/// One repair: rescues what is sound in damaged packs, looks for what was lost, and moves the packs out of the way.
///
/// The order is in <doc:Format#Quarantine-and-repair>: at each moment every sound object is in `packs/`, and every byte of a damaged
/// pack in `packs/` or `quarantine/`.
struct Repair {
    let store: ContentStore
    let ingest: Ingest
    let bad: [Digest]
    /// All that readers know, without the damaged packs.
    let catalog: Catalog
    var report: RepairReport

    /// How many frames are checked at a time.
    static let batch = 64

    init(_ store: ContentStore, _ verifier: Verifier, _ before: VerifyReport) throws(StoreError) {
        self.store = store
        bad = verifier.badPacks.sorted()
        catalog = verifier.catalog.without(verifier.badPacks)
        // What was not verified may be damaged as well: nothing is left out because such a pack has it too.
        let distrusted = verifier.catalog.packs.subtracting(verifier.soundPacks)
        ingest = try Ingest(store, label: "repair", options: IngestOptions(), distrusting: distrusted)
        report = RepairReport(before: before, after: before)
    }

    // MARK: Rescue

    /// Puts the sound objects of the damaged packs into fresh ones.
    mutating func rescue() throws(StoreError) {
        for id in bad {
            let pack: PackFile
            do throws(StoreError) {
                pack = try PackFile(store.layout.pack(id), in: store.fileSystem)
            } catch {
                if error.code == .notFound { continue }
                throw error
            }
            let offsets = try pack.frameOffsets(knownTo: store, id)
            for start in stride(from: 0, to: offsets.count, by: Repair.batch) {
                let part = Array(offsets[start..<min(start + Repair.batch, offsets.count)])
                let results = try CheckedFrame.check(part.count) { index throws(StoreError) in
                    try pack.frame(at: UInt64(part[index]), sizeHint: FrameHeader.usualPlainLength)
                }
                for case .success(.some(let frame)) in results {
                    report.rescuedObjects += UInt64(try ingest.add(frame))
                }
            }
        }
    }

    // MARK: Quarantine

    /// Gives each damaged pack a second name in `quarantine/`.
    mutating func link() throws(StoreError) {
        guard !bad.isEmpty else { return }
        let system = store.fileSystem
        do {
            try system.makeDirectory(store.layout.quarantine, mode: store.layout.directoryMode)
        } catch {
            guard error.number == EEXIST else {
                throw StoreError(error, "making a directory", path: store.layout.quarantine)
            }
        }
        try FileDescriptor.synchronizeDirectory(store.layout.root, in: system)
        for id in bad {
            var number = 0
            while true {
                let name = number == 0 ? "\(id.hex).pack" : "\(id.hex).\(number).pack"
                let target = "\(store.layout.quarantine)/\(name)"
                do throws(StoreError) {
                    let file = try FileDescriptor(store.layout.pack(id), flags: O_RDONLY, in: system, "opening a pack")
                    let raw = file.raw
                    try calling("naming a damaged pack", path: target) { () throws(SystemCallError) in
                        try system.link(raw, as: target)
                    }
                    report.quarantined.append(
                        RepairReport.Quarantined(pack: id, file: "quarantine/\(name)", isReplaced: false))
                    break
                } catch {
                    // Gone meanwhile, or one of that name is there from another time.
                    if error.code == .notFound { break }
                    guard error.code == .exists, number < 10_000 else { throw error }
                    number += 1
                }
            }
        }
        try FileDescriptor.synchronizeDirectory(store.layout.quarantine, in: system)
    }

    /// Takes the damaged packs' first names away, but for those that were made again under it.
    mutating func unlink() throws(StoreError) {
        let system = store.fileSystem
        for index in report.quarantined.indices {
            let id = report.quarantined[index].pack
            let path = store.layout.pack(id)
            // A pack that cannot be read to its end is the old one.
            if ingest.own.packs[id] != nil, let pack = try? PackFile(path, in: system), (try? pack.digest()) == id,
                (try? pack.frameTable()) != nil
            {
                report.quarantined[index].isReplaced = true
                continue
            }
            do {
                try system.unlink(path)
            } catch {
                guard error.number == ENOENT else { throw StoreError(error, "moving a damaged pack", path: path) }
            }
        }
        if !report.quarantined.isEmpty { try FileDescriptor.synchronizeDirectory(store.layout.packs, in: system) }
    }
}

extension PackFile {
    /// Where frames may begin in a pack of which anything may be damaged: by its table, by the indexes, and by what looks like one.
    func frameOffsets(knownTo store: ContentStore, _ id: Digest) throws(StoreError) -> [UInt32] {
        var offsets: Set<UInt32> = []
        let contents = try contents()
        for entry in contents.entries { offsets.insert(entry.place.offset) }
        for index in try store.keeper.catalog().indexes {
            guard let number = index.file.packs.firstIndex(where: { $0.id == id }) else { continue }
            for position in 0..<index.file.count where Int(index.file[position].pack) == number {
                offsets.insert(index.file[position].offset)
            }
        }
        if contents.damage != nil { try offsets.formUnion(frameMagics()) }
        return offsets.sorted()
    }

    /// Reads bytes, with zeros in place of sectors that cannot be read.
    private func readAround(at offset: UInt64, count: Int) throws(StoreError) -> [UInt8] {
        do throws(StoreError) {
            return try read(at: offset, count: count)
        } catch {
            guard error.code == .io else { throw error }
        }
        let sector = 4096
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for start in stride(from: 0, to: count, by: sector) {
            let part = min(sector, count - start)
            do throws(StoreError) {
                bytes += try read(at: offset + UInt64(start), count: part)
            } catch {
                guard error.code == .io else { throw error }
                bytes += [UInt8](repeating: 0, count: part)
            }
        }
        return bytes
    }

    /// Every offset with the magic of a frame.
    private func frameMagics() throws(StoreError) -> [UInt32] {
        let window = 1 << 20
        var found: [UInt32] = []
        var position: UInt64 = 0
        while position < min(size, PackFormat.maximumSize) {
            let count = Int(min(UInt64(window + 3), size - position))
            let bytes = try readAround(at: position, count: count)
            for index in 0..<max(0, count - 3) where bytes[index] == UInt8(ascii: "S") {
                if bytes.span.bytes.has(FrameHeader.magic, at: index),
                    let offset = UInt32(exactly: position + UInt64(index))
                {
                    found.append(offset)
                }
            }
            position += UInt64(window)
        }
        return found
    }
}

extension ContentStore {
    /// Looks for damage, moves damaged packs out of the way, and fills in what was lost.
    ///
    /// Sound objects of a damaged pack come into a fresh one; what was lost, and what was missing anyway, is looked for in the sources, in
    /// their order, and believed only if it has its digest. Nothing is deleted: a damaged pack is in `quarantine/` afterwards. Without
    /// damage nothing is written. See <doc:Format#Quarantine-and-repair>.
    ///
    /// - Parameters:
    ///   - level: how thoroughly to look before; with `structure`, only what refs cannot reach is filled in.
    ///   - subset: the part of the packs to read, or nil for all.
    ///   - sources: where to look for what was lost; none is needed to rescue what is sound.
    /// - Throws: `busy` when another repair or a collection is under way, `permission` for a store that is open for reading only.
    package func repair(
        level: VerifyLevel = .deep, subset: VerifySubset? = nil, from sources: [RepairSource] = [],
        progress: @escaping (VerifyProgress) -> Void = { _ in }
    ) throws(StoreError) -> RepairReport {
        try requireWritable(for: "a repair")
        // Both move packs away.
        let lock = try CollectorLock(self)
        defer { withExtendedLifetime(lock) {} }
        try sweep()
        let fresh = try afresh()
        var verifier = try Verifier(fresh, level, subset, progress)
        let before = try verifier.run()
        if !verifier.unindexed.isEmpty { try fresh.keeper.rebuildIndexes() }
        guard !before.isSound else { return RepairReport(before: before, after: before) }
        try verifier.verifySuspects()
        var repair = try Repair(fresh, verifier, before)
        do throws(StoreError) {
            try repair.rescue()
            try repair.fillIn(sources)
            try repair.ingest.stage()
            try repair.link()
            try repair.ingest.finish()
            try repair.unlink()
        } catch {
            repair.ingest.close()
            throw error
        }
        repair.ingest.close()
        try keeper.reload()
        repair.report.after = try verify(level: .structure)
        return repair.report
    }
}
