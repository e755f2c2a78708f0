import Foundation

/// A directory that lives as long as one build.
///
/// Its name carries the process that made it, so that what a killed build left behind is removed by the next one.
struct ScratchDirectory: Sendable {
    let path: String

    /// Makes `PREFIX.PROCESS-UNIQUE` and removes those of the same prefix whose process is gone.
    ///
    /// - Parameter prefix: a path; its directory is created when it is missing.
    init(prefix: String) throws(RecipeError) {
        let url = URL(fileURLWithPath: prefix)
        let parent = url.deletingLastPathComponent().path
        let stem = url.lastPathComponent + "."
        let files = FileManager.default
        do {
            try files.createDirectory(atPath: parent, withIntermediateDirectories: true)
            for name in try files.contentsOfDirectory(atPath: parent) where name.hasPrefix(stem) {
                let owner = name.dropFirst(stem.count).split(separator: "-").first.flatMap { Int32($0) }
                if let owner, owner > 0, kill(owner, 0) != 0, errno == ESRCH {
                    try? files.removeItem(atPath: parent + "/" + name)
                }
            }
            let process = ProcessInfo.processInfo.processIdentifier
            path = parent + "/" + stem + "\(process)-\(UInt32.random(in: 0 ... .max))"
            try files.createDirectory(atPath: path, withIntermediateDirectories: false)
        } catch {
            throw RecipeError(
                .cannotWrite, "A directory cannot be made in '\(parent)'; check its permissions and the free space.",
                cause: error.localizedDescription)
        }
    }

    /// Removes the directory and its content.
    func remove() {
        try? FileManager.default.removeItem(atPath: path)
    }
}
