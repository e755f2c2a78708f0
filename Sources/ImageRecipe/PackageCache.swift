import Foundation

/// Debian packages by version, in a directory that any number of builds may share.
struct PackageCache: Sendable {
    /// The directory of the `.deb` files.
    let directory: String
    let scratch: String
    let progress: @Sendable (String) -> Void

    /// The candidate version of a package, by apt's lists.
    ///
    /// - Throws: `unknownPackage`.
    func find(_ package: Recipe.Located<String>) throws(RecipeError) -> DebianPackage {
        let result = try Tool.aptCache.run(["show", "--no-all-versions", package.value], scratch: scratch)
        guard result.status == 0, let found = DebianPackage(paragraph: result.output) else {
            throw RecipeError(
                .unknownPackage,
                "apt's lists have no package '\(package.value)'; check the name, or get the lists by 'apt-get update' "
                    + "as root.", at: package.place,
                cause: result.status == 0 ? nil : result.explanation(of: .aptCache))
        }
        return found
    }

    /// The package that holds the kernel: `package` itself, or the first `linux-image-*` that it depends on.
    func findKernel(_ package: Recipe.Located<String>) throws(RecipeError) -> DebianPackage {
        let found = try find(package)
        guard let kernel = found.depends.first(where: { $0.hasPrefix("linux-image-") }) else { return found }
        return try find(Recipe.Located(value: kernel, place: package.place))
    }

    /// The path of the package's file, which is downloaded unless it is there.
    ///
    /// - Throws: `downloadFailed`.
    func fetch(_ package: DebianPackage, at place: RecipeError.Place) throws(RecipeError) -> String {
        let path = directory + "/" + package.fileName
        if try isIntact(path, package) { return path }
        progress("downloading \(package.name) \(package.version) (\(package.size / 1024) KiB)")
        let download = try ScratchDirectory(prefix: directory + "/.download")
        defer { download.remove() }
        // Root would otherwise hand the download to a user who cannot write here.
        let options = geteuid() == 0 ? ["-o", "APT::Sandbox::User=root"] : []
        try Tool.aptGet.require(
            options + ["-q", "download", "\(package.name)=\(package.version)"], in: download.path, scratch: scratch,
            code: .downloadFailed,
            "The package '\(package.name)' \(package.version) cannot be downloaded; check the network, or renew apt's "
                + "lists by 'apt-get update' as root: mirrors drop old versions.", at: place)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: download.path)) ?? []
        guard let name = names.first(where: { $0.hasSuffix(".deb") }),
            try isIntact(download.path + "/" + name, package)
        else {
            throw RecipeError(
                .downloadFailed,
                "What apt downloaded for '\(package.name)' \(package.version) is not what its lists say; run "
                    + "'apt-get update' as root and build again.", at: place)
        }
        guard rename(download.path + "/" + name, path) == 0 else {
            throw RecipeError(
                .cannotWrite, "'\(path)' cannot be written; check the permissions and the free space.",
                cause: String(cString: strerror(errno)))
        }
        return path
    }

    /// Unpacks a package's files into a new directory below the scratch directory, and returns its path.
    func unpack(_ package: DebianPackage, at place: RecipeError.Place) throws(RecipeError) -> String {
        let file = try fetch(package, at: place)
        let target = scratch + "/unpacked-" + package.fileName
        if FileManager.default.fileExists(atPath: target) { return target }
        progress("unpacking \(package.name) \(package.version)")
        try Tool.dpkgDeb.require(
            ["-x", file, target], scratch: scratch, code: .unsuitablePackage,
            "The package '\(file)' cannot be unpacked; check the free space, or remove the file and build again.",
            at: place)
        return target
    }

    private func isIntact(_ path: String, _ package: DebianPackage) throws(RecipeError) -> Bool {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
            (attributes[.size] as? NSNumber)?.intValue == package.size
        else { return false }
        let output = try Tool.sha256sum.require(
            [path], scratch: scratch, "The checksum of '\(path)' cannot be computed.")
        return output.hasPrefix(package.sha256)
    }
}
