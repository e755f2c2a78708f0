import Foundation

/// The modules of an unpacked kernel package, and which of them others need.
package struct KernelModules: Sendable {
    /// Path below the package's root, for example `/lib/modules/6.1.0-1-amd64/kernel/fs/fat/fat.ko`.
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
            if path.hasSuffix(".ko") { paths[Self.name(path)] = base + "/" + path }
        }
        self.paths = paths
        let list = (try? String(contentsOfFile: root + base + "/modules.builtin", encoding: .utf8)) ?? ""
        builtIn = Set(list.split(separator: "\n").map { Self.name(String($0)) })
    }

    /// The paths of the given modules and of all that they need, each after what it depends on.
    ///
    /// - Throws: `missingModule` for one that the kernel neither has nor contains.
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
        guard let path = paths[name] else {
            let reason = parent.map { ", which '\($0)' needs," } ?? ""
            throw RecipeError(
                .missingModule,
                "The kernel's package has no module '\(name)'\(reason) and the kernel does not contain it; check the "
                    + "name, or use another kernel package (linux-image-amd64 has most modules).", at: place)
        }
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

    /// The kernel treats `-` and `_` in names alike.
    private static func name(_ path: String) -> String {
        let last = path.split(separator: "/").last.map(String.init) ?? path
        return (last.hasSuffix(".ko") ? String(last.dropLast(3)) : last).replacing("-", with: "_")
    }
}
