import Foundation

/// The modules of an unpacked kernel package, and which of them others need.
package struct KernelModules: Sendable {
    /// How the modules of newer kernels may be packed: the ending, and the tool that unpacks such a file beside it.
    private static let packings: [(ending: String, tool: Tool, arguments: [String])] = [
        (".xz", Tool(name: "xz", package: "xz-utils"), ["-dkf"]),
        (".zst", Tool(name: "zstd", package: "zstd"), ["-dqf"]),
        (".gz", Tool(name: "gzip", package: "gzip"), ["-dkf"]),
    ]

    /// Path below the package's root, for example `/lib/modules/6.1.0-1-amd64/kernel/fs/fat/fat.ko`, or with `.xz` behind it.
    private let paths: [String: String]
    private let builtIn: Set<String>
    private let root: String

    /// - Parameter root: the directory that the package was unpacked into; it holds one `lib/modules/VERSION`.
    /// - Throws: `unsuitablePackage` when it does not.
    package init(root: String) throws(RecipeError) {
        self.root = root
        let files = FileManager.default
        let parent = "/lib/modules"
        let versions = ((try? files.contentsOfDirectory(atPath: root + parent)) ?? []).sorted()
        guard versions.count == 1, let version = versions.first else {
            throw RecipeError(
                .unsuitablePackage,
                "The kernel's package has \(versions.count) directories in /lib/modules instead of one; use a package "
                    + "of one kernel, such as linux-image-cloud-amd64.")
        }
        let base = parent + "/" + version
        var paths: [String: String] = [:]
        let all = files.enumerator(atPath: root + base)
        while let path = all?.nextObject() as? String {
            if Self.plain(path).hasSuffix(".ko") { paths[Self.name(path)] = base + "/" + path }
        }
        self.paths = paths
        let list = (try? String(contentsOfFile: root + base + "/modules.builtin", encoding: .utf8)) ?? ""
        builtIn = Set(list.split(separator: "\n").map { Self.name(String($0)) })
    }

    /// The paths of the given modules and of all that they need, each after what it depends on.
    ///
    /// - Throws: `missingModule` for one that the kernel neither has nor contains; `unsuitablePackage` for one that cannot be
    ///   unpacked.
    package func loadOrder(of modules: [Recipe.Located<String>]) throws(RecipeError) -> [String] {
        var order: [String] = []
        var done: Set<String> = []
        for module in modules {
            try visit(Self.name(module.value), neededBy: nil, at: module.place, &order, &done)
        }
        return order
    }

    private func visit(
        _ name: String, neededBy parent: String?, at place: RecipeError.Place, _ order: inout [String],
        _ done: inout Set<String>
    ) throws(RecipeError) {
        guard !builtIn.contains(name), done.insert(name).inserted else { return }
        guard let stored = paths[name] else {
            let reason = parent.map { ", which '\($0)' needs," } ?? ""
            throw RecipeError(
                .missingModule,
                "The kernel's package has no module '\(name)'\(reason) and the kernel does not contain it; check the "
                    + "name, or use another kernel package (linux-image-amd64 has most modules).", at: place)
        }
        let path = try unpack(stored)
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: root + path)),
            let information = ModuleInformation(elf: Array(data))
        else {
            throw RecipeError(
                .missingModule, "'\(path)' of the kernel's package is not a kernel module for x86-64.", at: place)
        }
        for dependency in information.dependencies {
            try visit(Self.name(dependency), neededBy: name, at: place, &order, &done)
        }
        order.append(path)
    }

    /// Unpacks a module beside itself, where it is packed; the guest's `insmod` then needs no help.
    private func unpack(_ path: String) throws(RecipeError) -> String {
        guard let packing = Self.packings.first(where: { path.hasSuffix($0.ending) }) else { return path }
        try packing.tool.require(
            packing.arguments + [root + path], scratch: root, code: .unsuitablePackage,
            "The module '\(path)' of the kernel's package cannot be unpacked.")
        return Self.plain(path)
    }

    /// A path without the ending of a packed file.
    private static func plain(_ path: String) -> String {
        guard let packing = packings.first(where: { path.hasSuffix($0.ending) }) else { return path }
        return String(path.dropLast(packing.ending.count))
    }

    /// The kernel treats `-` and `_` in names alike.
    private static func name(_ path: String) -> String {
        let last = plain(path.split(separator: "/").last.map(String.init) ?? path)
        return (last.hasSuffix(".ko") ? String(last.dropLast(3)) : last).replacing("-", with: "_")
    }
}
