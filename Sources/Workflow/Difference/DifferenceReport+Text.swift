import ContentStore
import GuestFiles

extension DifferenceReport {
    /// The report for people.
    ///
    /// - Parameter limit: how many files of a file system and fields of a device are listed; nil for all.
    package func text(limit: Int? = 40) -> String {
        if isEmpty { return "\(from) and \(to) do not differ" }
        var lines: [String] = []
        for field in machine { lines.append("machine  \(field.text)") }
        for disk in disks where disk.differs { lines += disk.lines(limit) }
        for block in memory where block.differs { lines.append(block.text) }
        for device in devices { lines += device.lines(limit) }
        return lines.joined(separator: "\n")
    }
}

extension FieldDifference {
    fileprivate var text: String { "\(field): \(before ?? "-") → \(after ?? "-")" }
}

extension DiskDifference {
    fileprivate func lines(_ limit: Int?) -> [String] {
        guard let sizeAfter else { return ["disk \(disk)  removed"] }
        var text = "disk \(disk)  "
        if let sizeBefore {
            if sizeBefore != sizeAfter {
                text += "\(Text.mebibytes(sizeBefore)) → \(Text.mebibytes(sizeAfter)); "
            }
        } else {
            text += "added, \(Text.mebibytes(sizeAfter)); "
        }
        var lines = [text + size.text]
        for range in blocks ?? [] { lines.append("  \(range.kind.rawValue) \(range.offset) + \(range.length)") }
        for fileSystem in fileSystems { lines += fileSystem.lines(limit) }
        return lines
    }
}

extension FileSystemDifference {
    fileprivate func lines(_ limit: Int?) -> [String] {
        var lines = ["  \(name)  \(kind)\(label.map { " \"\($0)\"" } ?? "")" + (changes.isEmpty ? "" : ": \(summary)")]
        for note in notes { lines.append("    (\(note))") }
        for change in changes.prefix(limit ?? changes.count) { lines.append("    \(change.text)") }
        if let limit, changes.count > limit { lines.append("    … and \(changes.count - limit) more (--all)") }
        return lines
    }

    private var summary: String {
        let kinds: [(FileDifference.Change.Kind, String)] = [
            (.added, "added"), (.removed, "removed"), (.modified, "modified"), (.renamed, "renamed"),
            (.attributes, "with other attributes"),
        ]
        return kinds.compactMap { kind, word in
            let count = changes.count { $0.kind == kind }
            return count > 0 ? "\(count) \(word)" : nil
        }.joined(separator: ", ")
    }
}

extension FileDifference.Change {
    fileprivate var text: String {
        switch kind {
        case .added: "+ \(path)\(type == "directory" ? "/" : newSize.map { "  \($0) bytes" } ?? "")"
        case .removed: "- \(path)\(type == "directory" ? "/" : "")"
        case .modified: "M \(path)" + (oldSize == newSize ? "" : "  \(oldSize ?? 0) → \(newSize ?? 0) bytes")
        case .attributes: "a \(path)"
        case .renamed: "R \(oldPath ?? "") → \(path)"
        }
    }
}

extension MemoryDifference {
    fileprivate var text: String {
        guard let sizeAfter else { return "RAM \(block)  removed" }
        let pages = size.total / 4096
        return "RAM \(block)  \(pages) of \(sizeAfter / 4096) pages: " + size.text
    }
}

extension DeviceDifference {
    fileprivate func lines(_ limit: Int?) -> [String] {
        guard kind == .changed else { return ["device \(section)  \(kind.rawValue)"] }
        if fields.isEmpty { return ["device \(section)  bytes differ (the fields have no names)"] }
        var lines = ["device \(section)"]
        for field in fields.prefix(limit ?? fields.count) { lines.append("  \(field.text)") }
        if let limit, fields.count > limit { lines.append("  … and \(fields.count - limit) more (--all)") }
        return lines
    }
}

extension TreeDifferenceSize {
    fileprivate var text: String {
        if total == 0 { return "the same contents" }
        var parts: [String] = []
        if changed > 0 { parts.append("\(Text.mebibytes(changed)) changed") }
        if added > 0 { parts.append("\(Text.mebibytes(added)) new") }
        if removed > 0 { parts.append("\(Text.mebibytes(removed)) zero now") }
        return parts.joined(separator: ", ")
    }
}
