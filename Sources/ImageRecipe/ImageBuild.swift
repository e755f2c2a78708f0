import Foundation

/// One build: the steps from a recipe to the files of an image.
struct ImageBuild {
    let recipe: Recipe
    let packages: PackageCache
    let programs: ProgramBuilder
    let scratch: String
    /// The directory that the files go into.
    let output: String
    let progress: @Sendable (String) -> Void

    /// The packages that were used, by name.
    private var used: [String: DebianPackage] = [:]
    /// The packages that a package manager installed, without their checksums.
    private var installed: [BuiltImage.Package] = []
    private var hasCompiled = false

    init(
        recipe: Recipe, packages: PackageCache, programs: ProgramBuilder, scratch: String, output: String,
        progress: @escaping @Sendable (String) -> Void
    ) {
        self.recipe = recipe
        self.packages = packages
        self.programs = programs
        self.scratch = scratch
        self.output = output
        self.progress = progress
    }

    mutating func run() throws(RecipeError) -> BuiltImage {
        if let direct = recipe.direct {
            let kernelRoot = try kernel(direct.kernel)
            try initramfs(direct.initramfs, kernelRoot: kernelRoot)
        }
        var disks: [BuiltImage.Disk] = []
        for (index, disk) in recipe.disks.enumerated() { disks.append(try self.disk(disk, index: index)) }
        let unpacked = used.values.map {
            BuiltImage.Package(name: $0.name, version: $0.version, architecture: $0.architecture, sha256: $0.sha256)
        }
        let list = (unpacked + installed.filter { used[$0.name] == nil }).sorted { $0.name < $1.name }
        let provenance = BuiltImage.Provenance(
            recipe: URL(fileURLWithPath: recipe.file).lastPathComponent, packages: list,
            compiler: hasCompiled ? try programs.compilerVersion() : nil)
        return BuiltImage(recipe: recipe, disks: disks, provenance: provenance, directory: output)
    }

    private func checkCancellation() throws(RecipeError) {
        if Task.isCancelled { throw RecipeError(.cancelled, "The build of '\(recipe.name)' was cancelled.") }
    }

    /// Unpacks the kernel's package and copies the kernel; returns the directory of the unpacked files.
    private mutating func kernel(_ kernel: Recipe.Kernel) throws(RecipeError) -> String {
        try checkCancellation()
        let place = kernel.package.place
        let package = try packages.findKernel(kernel.package)
        used[package.name] = package
        let root = try packages.unpack(package, at: place)
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: root + "/boot")) ?? [])
            .filter { $0.hasPrefix("vmlinuz-") }
        guard names.count == 1, let name = names.first else {
            throw RecipeError(
                .unsuitablePackage,
                "The package '\(package.name)' holds \(names.count) kernels (/boot/vmlinuz-*) instead of one; name the "
                    + "package of a kernel, such as linux-image-cloud-amd64.", at: place)
        }
        do {
            try FileManager.default.copyItem(atPath: root + "/boot/" + name, toPath: output + "/kernel")
        } catch {
            throw RecipeError(
                .cannotWrite, "The kernel cannot be copied to '\(output)'; check the free space.",
                cause: error.localizedDescription)
        }
        return root
    }

    private mutating func initramfs(_ part: Recipe.Initramfs, kernelRoot: String) throws(RecipeError) {
        try checkCancellation()
        var tree = FileTree()
        for directory in ["/dev", "/proc", "/sys", "/tmp"] {
            try tree.insert(.directory(mode: directory == "/tmp" ? 0o1777 : 0o755), at: directory)
        }
        // The kernel opens the console before an init script can mount anything.
        try tree.insert(.characterDevice(mode: 0o600, major: 5, minor: 1), at: "/dev/console")
        try tree.insert(.characterDevice(mode: 0o666, major: 1, minor: 3), at: "/dev/null")
        if let busybox = part.busybox { try addBusybox(busybox, to: &tree) }
        if !part.modules.isEmpty {
            let order = try KernelModules(root: kernelRoot).loadOrder(of: part.modules)
            for path in order { try tree.insert(.file(mode: 0o644, .file(kernelRoot + path)), at: path) }
            let list = order.map { $0 + "\n" }.joined()
            try tree.insert(.file(mode: 0o644, .bytes(Array(list.utf8))), at: "/lib/modules/load-order")
        }
        try add(part.content, to: &tree)
        try tree.insert(.file(mode: 0o755, .bytes(Array(part.initScript.utf8))), at: "/init")
        try checkCancellation()
        progress("writing the initramfs (\(tree.entries.count) entries)")
        try CPIOWriter.write(tree, to: output + "/initrd")
    }

    /// `/bin/busybox` and a link for each of its applets, at the paths that it was built for.
    private mutating func addBusybox(
        _ package: Recipe.Located<String>, to tree: inout FileTree
    ) throws(RecipeError) {
        let found = try packages.find(package)
        used[found.name] = found
        let root = try packages.unpack(found, at: package.place)
        let candidates = ["/bin/busybox", "/usr/bin/busybox"].map { root + $0 }
        guard let file = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw RecipeError(
                .unsuitablePackage, "The package '\(found.name)' has no /bin/busybox; use 'busybox-static'.",
                at: package.place)
        }
        let list = try Tool(name: file, package: found.name).require(
            ["--list-full"], scratch: scratch, code: .unsuitablePackage,
            "The busybox of '\(found.name)' does not run on this machine.", at: package.place)
        for applet in list.split(separator: "\n") where applet.contains("/") {
            try tree.insert(.link(target: "/bin/busybox"), at: "/" + applet)
        }
        // Last, because the list has an entry of this name, too.
        try tree.insert(.file(mode: 0o755, .file(file)), at: "/bin/busybox")
    }

    private mutating func disk(_ disk: Recipe.Disk, index: Int) throws(RecipeError) -> BuiltImage.Disk {
        try checkCancellation()
        progress("writing disk \(index) (\(disk.sizeMiB) MiB)")
        let name = "disk\(index).raw"
        let path = output + "/" + name
        switch disk.fileSystem {
        case .ext4:
            var tree = FileTree()
            try add(disk.content, to: &tree)
            if let debian = disk.debian {
                let builder = DebianDisk(
                    disk: disk, debian: debian, identity: "\(recipe.name)/\(index)",
                    packageDirectory: packages.directory + "/debian-" + debian.suite.value, scratch: scratch,
                    progress: progress)
                installed += try builder.write(tree, to: path)
                break
            }
            try Ext4Image(scratch: scratch).write(
                tree, sizeMiB: disk.sizeMiB, label: disk.label, identity: "\(recipe.name)/\(index)", to: path,
                at: disk.place)
        case nil:
            guard FileManager.default.createFile(atPath: path, contents: nil), truncate(path, disk.sizeMiB << 20) == 0
            else {
                throw RecipeError(
                    .cannotWrite, "The disk '\(path)' cannot be made; check the free space.",
                    cause: String(cString: strerror(errno)))
            }
        }
        return BuiltImage.Disk(
            file: name, sizeBytes: disk.sizeMiB << 20, fileSystem: disk.fileSystem?.rawValue)
    }

    /// Packages, then programs, then files.
    private mutating func add(_ content: Recipe.Content, to tree: inout FileTree) throws(RecipeError) {
        for package in content.packages {
            try checkCancellation()
            let found = try packages.find(package)
            used[found.name] = found
            let root = try packages.unpack(found, at: package.place)
            try placed(at: package.place) { () throws(RecipeError) in
                try tree.insert(copyOf: root, at: nil) {
                    ["/usr/share/doc", "/usr/share/man", "/usr/share/locale"].contains($0)
                }
            }
        }
        for program in content.programs {
            try checkCancellation()
            if case .compiled = program.origin { hasCompiled = true }
            try placed(at: program.place) { () throws(RecipeError) in try programs.add(program, to: &tree) }
        }
        for file in content.files {
            try placed(at: file.place) { () throws(RecipeError) in try add(file, to: &tree) }
        }
    }

    private func add(_ file: Recipe.File, to tree: inout FileTree) throws(RecipeError) {
        switch file.origin {
        case .text(let text):
            try tree.insert(.file(mode: file.mode ?? 0o644, .bytes(Array(text.utf8))), at: file.path)
        case .link(let target): try tree.insert(.link(target: target), at: file.path)
        case .directory: try tree.insert(.directory(mode: file.mode ?? 0o755), at: file.path)
        case .source(let source):
            let path = source.hasPrefix("/") ? source : programs.directory + "/" + source
            try tree.insert(copyOf: path, at: file.path, mode: file.mode)
        }
    }

    /// Gives errors of one entry its line.
    private func placed<Result>(
        at place: RecipeError.Place, _ body: () throws(RecipeError) -> Result
    ) throws(RecipeError) -> Result {
        do {
            return try body()
        } catch {
            var error = error
            error.place = error.place ?? place
            throw error
        }
    }
}
