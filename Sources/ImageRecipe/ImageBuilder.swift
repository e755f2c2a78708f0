import Foundation

/// Builds guest images from recipes.
///
/// Blocks until it is done: call it from a place that may. It stops between two steps when its task is cancelled. What a
/// killed build leaves behind is removed by the next one.
package struct ImageBuilder: Sendable {
    package let recipe: Recipe
    /// The directory that keeps downloaded packages between builds.
    package let cache: String
    private let progress: @Sendable (String) -> Void

    /// - Parameters:
    ///   - cache: a directory, made when it is missing; any number of builds may share it.
    ///   - progress: receives a line at the start of each long step.
    package init(recipe: Recipe, cache: String, progress: @escaping @Sendable (String) -> Void = { _ in }) {
        self.recipe = recipe
        self.cache = cache
        self.progress = progress
    }

    /// Builds the image into a directory, which appears as a whole at the end.
    ///
    /// - Parameter output: a directory that does not exist, is empty, or holds an image, which is then replaced.
    /// - Throws: ``RecipeError``; the output is then as it was before.
    package func build(into output: String) throws(RecipeError) -> BuiltImage {
        let output = URL(fileURLWithPath: output).standardizedFileURL.path
        try refuseForeignDirectory(output)
        let scratch = try ScratchDirectory(prefix: URL(fileURLWithPath: cache).path + "/build")
        defer { scratch.remove() }
        let staged = try ScratchDirectory(prefix: output + ".partial")
        defer { staged.remove() }
        var build = ImageBuild(
            recipe: recipe,
            packages: PackageCache(
                directory: URL(fileURLWithPath: cache).path + "/packages", scratch: scratch.path, progress: progress),
            programs: ProgramBuilder(
                directory: URL(fileURLWithPath: recipe.file).deletingLastPathComponent().path, scratch: scratch.path,
                progress: progress),
            scratch: scratch.path, output: staged.path, progress: progress)
        var image = try build.run()
        do {
            try image.encoded().write(to: URL(fileURLWithPath: staged.path + "/" + BuiltImage.fileName))
        } catch {
            throw RecipeError(
                .cannotWrite, "The image's description cannot be written; check the free space.",
                cause: error.localizedDescription)
        }
        try replace(output, with: staged.path)
        image.directory = output
        return image
    }

    /// Only an image may be replaced, never a directory of something else that was named by mistake.
    private func refuseForeignDirectory(_ output: String) throws(RecipeError) {
        let files = FileManager.default
        guard files.fileExists(atPath: output) else { return }
        let names = try? files.contentsOfDirectory(atPath: output)
        guard let names, names.isEmpty || names.contains(BuiltImage.fileName) else {
            throw RecipeError(
                .cannotWrite, "'\(output)' exists and is not an image; name a new directory or remove it.")
        }
    }

    private func replace(_ output: String, with staged: String) throws(RecipeError) {
        let files = FileManager.default
        do {
            if files.fileExists(atPath: output) {
                let old = try ScratchDirectory(prefix: output + ".old")
                defer { old.remove() }
                try files.moveItem(atPath: output, toPath: old.path + "/image")
                try files.moveItem(atPath: staged, toPath: output)
            } else {
                try files.moveItem(atPath: staged, toPath: output)
            }
        } catch {
            throw RecipeError(
                .cannotWrite, "The image cannot be moved to '\(output)'; check the permissions of its directory.",
                cause: String(describing: error))
        }
    }
}
