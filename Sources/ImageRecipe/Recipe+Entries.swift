import Yams

/// The entries of `programs` and `files`.
extension Recipe {
    static func program(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> Program {
        let map = try reader.mapping(node, "a program", known: ["source", "flags", "host", "path"])
        let origin: Program.Origin
        let defaultPath: String
        switch (map["source"], map["host"]) {
        case (let source?, nil):
            let name = try reader.text(source, "'source'")
            let last = name.split(separator: "/").last.map(String.init) ?? ""
            guard last.hasSuffix(".c"), last.utf8.count > 2 else {
                throw reader.invalid("'source' must name a C file, whose name ends in '.c'.", at: source)
            }
            var flags = ["-O2", "-static"]
            if let node = map["flags"] {
                flags = []
                for flag in try reader.list(node, "'flags'") { flags.append(try reader.text(flag, "a flag")) }
            }
            origin = .compiled(source: name, flags: flags)
            defaultPath = "/bin/" + last.dropLast(2)
        case (nil, let host?):
            guard map["flags"] == nil else {
                throw reader.invalid("'flags' are for programs with 'source'; 'host' takes none.", at: node)
            }
            let path = try reader.guestPath(host, "'host'")
            origin = .host(path)
            defaultPath = path
        default:
            throw reader.invalid("A program needs either 'source' or 'host'.", at: node)
        }
        var path = defaultPath
        if let node = map["path"] { path = try reader.guestPath(node, "'path'") }
        guard FileTree.isValid(path) else {
            throw reader.invalid("'\(path)' is no path for the program; give one with 'path'.", at: node)
        }
        return Program(origin: origin, path: path, place: reader.place(node))
    }

    static func file(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> File {
        let kinds = ["content", "source", "link", "directory"]
        let map = try reader.mapping(node, "a file", known: ["path", "mode"] + kinds)
        let given = kinds.filter { map[$0] != nil }
        guard given.count == 1, let kind = given.first, let value = map[kind] else {
            throw reader.invalid("A file needs exactly one of 'content', 'source', 'link' and 'directory'.", at: node)
        }
        let text = try reader.text(value, "'\(kind)'")
        let origin: File.Origin
        switch kind {
        case "content": origin = .text(text)
        case "source": origin = .source(text)
        case "link": origin = .link(target: text)
        default: origin = .directory
        }
        if kind == "directory", text != "true" {
            throw reader.invalid("'directory' can only be 'true'.", at: value)
        }
        if text.isEmpty, kind == "link" || kind == "source" {
            throw reader.invalid("'\(kind)' must not be empty.", at: value)
        }
        var mode: UInt32?
        if let node = map["mode"] {
            guard let bits = UInt32(try reader.text(node, "'mode'"), radix: 8), bits <= 0o7777, kind != "link" else {
                throw reader.invalid(
                    "'mode' must be an octal number from 0 to 7777, and a link has none.", at: node)
            }
            mode = bits
        }
        let path = try reader.guestPath(try map.required("path"), "'path'")
        return File(origin: origin, path: path, mode: mode, place: reader.place(node))
    }
}
