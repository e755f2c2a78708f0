import ContentStore
import DiskImage
import Foundation

/// What a user asks of `stemma store verify`.
package struct VerifyRequest: Sendable {
    package var level = VerifyLevel.structure
    /// The part of the packs to read; nil for all.
    package var part: StorePart?
    /// Move damaged packs out of the way and fill in what was lost.
    package var repairs = false
    /// Where to look for what was lost: stores, homes, bundles, disk images, `ram:FILE` for the bytes of a RAM block.
    package var sources: [String] = []

    package init() {}
}

/// A part of the packs as a user names it: `2/7` is the second of seven.
package struct StorePart: Sendable, Hashable {
    package let subset: VerifySubset

    package init?(parsing text: String) {
        guard let subset = VerifySubset(text) else { return nil }
        self.subset = subset
    }
}

/// What a verification found, and what a repair did about it: the JSON is that of the report which is there.
package enum VerifyOutcome: Sendable, Encodable {
    case verified(VerifyReport)
    case repaired(RepairReport)

    /// Everything that names need is there and whole now.
    package var isSound: Bool {
        switch self {
        case .verified(let report): report.isSound
        case .repaired(let report): report.isSound
        }
    }

    package var text: String {
        switch self {
        case .verified(let report): report.text
        case .repaired(let report): report.text
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .verified(let report): try report.encode(to: encoder)
        case .repaired(let report): try report.encode(to: encoder)
        }
    }
}

extension VerifyReport {
    /// For people: counts, one line for each damage, and the names that are affected.
    package var text: String {
        let part = subset.map { " (part \($0.number) of \($0.count))" } ?? ""
        var lines = [
            "\(refs) refs, \(objects) objects, \(packs) packs read\(part): " + (damage.isEmpty ? "sound" : "damaged")
        ]
        for found in damage {
            let place = [found.ref.map { "ref \($0)" }, found.place, found.pack.map { "pack \($0.short)" }]
                .compactMap { $0 }.joined(separator: ", ")
            lines.append("  \(found.message)" + (place.isEmpty ? "" : " (\(place))"))
        }
        if unlisted > 0 { lines.append("  and \(unlisted) more") }
        if !affectedRefs.isEmpty { lines.append("affected: " + affectedRefs.joined(separator: ", ")) }
        return lines.joined(separator: "\n")
    }
}

extension RepairReport {
    /// For people: what was wrong, what was done, and what is still wrong.
    package var text: String {
        var lines = [before.text]
        if !before.isSound {
            for pack in quarantined {
                lines.append(
                    "moved out of the way: \(pack.file)" + (pack.isReplaced ? ", and made again bit for bit" : ""))
            }
            lines.append(
                "\(rescuedObjects) sound objects of damaged packs kept, \(repairedObjects) lost ones filled in")
            lines.append(after.isSound ? "the store is sound again" : "still wrong:\n" + after.text)
        }
        return (lines + sourceErrors.map { "of no use: \($0)" }).joined(separator: "\n")
    }
}

extension Stemma {
    /// Checks everything that is named, and repairs it if that is asked for.
    package func verifyStore(_ request: VerifyRequest) throws -> VerifyOutcome {
        let step = "verifying \(store.path)"
        progress.step(step)
        let progress = progress
        let tell: (VerifyProgress) -> Void = {
            progress.amount(step, ProgressAmount(done: $0.bytes, total: $0.totalBytes == 0 ? nil : $0.totalBytes))
        }
        guard request.repairs || !request.sources.isEmpty else {
            return .verified(
                try store.verify(level: request.level, subset: request.part?.subset, progress: tell))
        }
        return .repaired(
            try store.repair(
                level: request.level, subset: request.part?.subset, from: request.sources.map(source), progress: tell))
    }

    /// What a path is: a directory is a store or a home with one, a file a bundle or a disk image.
    private func source(_ path: String) throws -> RepairSource {
        if path.hasPrefix("ram:") {
            let image = try DiskImages.open(path: String(path.dropFirst("ram:".count)), format: .raw)
            return .image(Self.bytes(of: image, kind: .memory))
        }
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw WorkflowError(
                .usage, "\(path) is not there: --repair-from takes a store, a home, a bundle or a disk image.")
        }
        if isDirectory.boolValue {
            let inside = Home(root: path).store
            let store = FileManager.default.fileExists(atPath: inside) ? inside : path
            return .store(try ContentStore.open(at: store, access: .readOnly))
        }
        if (try? store.bundleManifest(at: path)) != nil { return .bundle(path: path) }
        return .image(Self.bytes(of: try DiskImages.open(path: path), kind: .disk))
    }

    private static func bytes(of image: any DiskImage, kind: TreeKind) -> RepairImage {
        RepairImage(kind: kind, length: image.virtualSize) { offset, buffer in
            try image.read(at: offset, into: buffer)
        }
    }
}
