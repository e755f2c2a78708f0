import Foundation
import Yams

extension Recipe {
    /// Reads a recipe from a file.
    ///
    /// - Throws: ``RecipeError`` with `unreadable` or `invalid`.
    package init(contentsOf file: String) throws(RecipeError) {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: file))
        } catch {
            throw RecipeError(
                .unreadable, "The recipe '\(file)' cannot be read; check the path and its permissions.",
                cause: error.localizedDescription)
        }
        guard let yaml = String(bytes: data, encoding: .utf8) else {
            throw RecipeError(.unreadable, "The recipe '\(file)' is not UTF-8 text; save it as UTF-8.")
        }
        try self.init(yaml: yaml, file: file)
    }

    /// Reads a recipe from text.
    ///
    /// - Parameter file: the path that errors name, and whose directory relative paths start from.
    package init(yaml: String, file: String) throws(RecipeError) {
        let reader = RecipeReader(file: file)
        let root = try Self.compose(yaml, file: file)
        let map = try reader.mapping(
            root, "a recipe",
            known: [
                "format", "name", "description", "machine", "cpu", "cpus", "memory", "kernel", "initramfs", "disks",
            ])
        let format = try map.required("format")
        guard try reader.text(format, "'format'") == "1" else {
            throw reader.invalid("'format' must be 1, the only recipe format that this version reads.", at: format)
        }
        self.file = file
        name = try Self.name(try map.required("name"), reader)
        description = try map.text("description", default: "")
        machine = try Self.word("machine", map, default: "pc-i440fx-7.2")
        cpu = try Self.word("cpu", map, default: "qemu64")
        cpus = try map["cpus"].map { (node) throws(RecipeError) in try reader.number(node, "'cpus'", in: 1...255) } ?? 1
        memoryMiB = try reader.mebibytes(try map.required("memory"), "'memory'")
        disks = []
        if let node = map["disks"] {
            for disk in try reader.list(node, "'disks'") { disks.append(try Self.disk(disk, reader)) }
            guard disks.count <= 26 else { throw reader.invalid("There can be at most 26 disks.", at: node) }
        }
        direct = try Self.directBoot(map, bootsFromDisk: disks.first?.debian != nil)
    }

    /// A kernel and an initramfs, or neither when the first disk boots by itself.
    private static func directBoot(
        _ map: RecipeReader.Mapping, bootsFromDisk: Bool
    ) throws(RecipeError) -> DirectBoot? {
        if bootsFromDisk, map["kernel"] == nil, map["initramfs"] == nil { return nil }
        return DirectBoot(
            kernel: try kernel(try map.required("kernel"), map.reader),
            initramfs: try initramfs(try map.required("initramfs"), map.reader))
    }

    private static func compose(_ yaml: String, file: String) throws(RecipeError) -> Node {
        do {
            if let node = try Yams.compose(yaml: yaml) { return node }
        } catch let error as YamlError {
            throw unreadable(error, file: file)
        } catch {
            throw RecipeError(.unreadable, "The recipe '\(file)' is not YAML.", cause: String(describing: error))
        }
        throw RecipeError(
            .invalid, "The recipe is empty; it needs at least 'format', 'name', 'memory', and 'kernel' and 'initramfs' or a disk with 'debian'.",
            at: RecipeError.Place(file: file, line: 1))
    }

    private static func unreadable(_ error: YamlError, file: String) -> RecipeError {
        let line: Int
        let problem: String
        switch error {
        case .scanner(_, let text, let mark, _), .parser(_, let text, let mark, _), .composer(_, let text, let mark, _):
            (line, problem) = (mark.line, text)
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.map { "'\($0)'" }.joined(separator: ", ")
            (line, problem) = (context.mark.line, "\(names) occurs twice in one mapping")
        default:
            (line, problem) = (1, String(describing: error))
        }
        return RecipeError(
            .unreadable, "This is not a YAML recipe: \(problem).", at: RecipeError.Place(file: file, line: line))
    }

    private static func name(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> String {
        let name = try reader.text(node, "'name'")
        let first = name.unicodeScalars.first.map { isAlphanumeric($0) } ?? false
        guard first, name.unicodeScalars.allSatisfy({ isAlphanumeric($0) || "-._".unicodeScalars.contains($0) }) else {
            throw reader.invalid(
                "'name' must begin with a letter or digit and consist of letters, digits, '-', '.' and '_'.", at: node)
        }
        return name
    }

    private static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar)
    }

    private static func word(
        _ key: String, _ map: RecipeReader.Mapping, default fallback: String
    ) throws(RecipeError) -> String {
        guard let node = map[key] else { return fallback }
        let word = try map.reader.text(node, "'\(key)'")
        guard !word.isEmpty, !word.contains(where: \.isWhitespace) else {
            throw map.reader.invalid("'\(key)' must be one word without spaces.", at: node)
        }
        return word
    }

    /// The name of a Debian package (Debian Policy 5.6.1).
    static func package(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> Located<String> {
        let name = try reader.text(node, "a package name")
        let allowed = name.unicodeScalars.allSatisfy {
            ("a"..."z").contains($0) || ("0"..."9").contains($0) || "+-.".unicodeScalars.contains($0)
        }
        guard allowed, name.utf8.count >= 2, name.first?.isASCII == true, !"+-.".contains(name.prefix(1)) else {
            throw reader.invalid("'\(name)' is not the name of a Debian package.", at: node)
        }
        return Located(value: name, place: reader.place(node))
    }

    private static func kernel(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> Kernel {
        let map = try reader.mapping(node, "'kernel'", known: ["package", "command-line"])
        let line = try commandLine(try map.required("command-line"), reader)
        return Kernel(package: try package(try map.required("package"), reader), commandLine: line)
    }

    static func commandLine(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> String {
        let line = try reader.text(node, "'command-line'")
        // COMMAND_LINE_SIZE of x86 Linux.
        guard line.utf8.count < 2048, !line.contains("\n") else {
            throw reader.invalid("'command-line' must be one line of fewer than 2048 bytes.", at: node)
        }
        return line
    }

    private static func initramfs(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> Initramfs {
        let map = try reader.mapping(
            node, "'initramfs'", known: ["init", "busybox", "modules", "packages", "programs", "files"])
        let script = try map.required("init")
        let text = try reader.text(script, "'init'")
        guard text.hasPrefix("#!") else {
            throw reader.invalid("'init' must begin with '#!' and the interpreter.", at: script)
        }
        var busybox: Located<String>?
        if let node = map["busybox"] { busybox = try package(node, reader) }
        var modules: [Located<String>] = []
        if let node = map["modules"] {
            for module in try reader.list(node, "'modules'") {
                modules.append(
                    Located(value: try reader.text(module, "a module's name"), place: reader.place(module)))
            }
        }
        return Initramfs(
            initScript: text, busybox: busybox, modules: modules, content: try content(map))
    }

    private static func disk(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> Disk {
        let map = try reader.mapping(
            node, "a disk", known: ["size", "file-system", "label", "debian", "packages", "programs", "files"])
        var disk = Disk(
            sizeMiB: try reader.mebibytes(try map.required("size"), "'size'"), content: try content(map),
            place: reader.place(node))
        if let node = map["file-system"] {
            let name = try reader.text(node, "'file-system'")
            guard let known = Disk.FileSystem(rawValue: name) else {
                throw reader.invalid("'\(name)' is no file system that can be made; use 'ext4'.", at: node)
            }
            disk.fileSystem = known
        }
        if let node = map["label"] {
            let label = try reader.text(node, "'label'")
            guard label.utf8.count <= 16 else {
                throw reader.invalid("'label' must have at most 16 bytes.", at: node)
            }
            disk.label = label
        }
        if let node = map["debian"] {
            guard disk.fileSystem == .ext4, disk.content.packages.isEmpty else {
                throw reader.invalid(
                    "A disk with 'debian' needs 'file-system: ext4', and its packages belong below 'debian'.", at: node)
            }
            guard disk.sizeMiB <= 2 << 20 else {
                throw reader.invalid("A disk with 'debian' can have at most 2048 GiB.", at: node)
            }
            disk.debian = try debian(node, reader)
        }
        guard disk.fileSystem != nil || (disk.content.isEmpty && disk.label == nil) else {
            throw reader.invalid("A disk with content or a label needs 'file-system: ext4'.", at: node)
        }
        return disk
    }

    private static func content(_ map: RecipeReader.Mapping) throws(RecipeError) -> Content {
        let reader = map.reader
        var content = Content()
        if let node = map["packages"] {
            for item in try reader.list(node, "'packages'") { content.packages.append(try package(item, reader)) }
        }
        if let node = map["programs"] {
            for item in try reader.list(node, "'programs'") { content.programs.append(try program(item, reader)) }
        }
        if let node = map["files"] {
            for item in try reader.list(node, "'files'") { content.files.append(try file(item, reader)) }
        }
        return content
    }
}
