import Yams

/// Walks the nodes of a recipe's YAML; every error names the file and the line.
struct RecipeReader {
    let file: String

    func place(_ node: Node) -> RecipeError.Place {
        RecipeError.Place(file: file, line: node.mark?.line ?? 1)
    }

    func invalid(_ message: String, at node: Node) -> RecipeError {
        RecipeError(.invalid, message, at: place(node))
    }

    /// A mapping whose keys are all in `known`.
    func mapping(_ node: Node, _ what: String, known: [String]) throws(RecipeError) -> Mapping {
        guard case .mapping(let mapping) = node else {
            throw invalid("\(what) must be a mapping of keys to values.", at: node)
        }
        var entries: [String: Node] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string, known.contains(name) else {
                let list = known.map { "'\($0)'" }.joined(separator: ", ")
                throw invalid(
                    "'\(key.scalar?.string ?? "?")' is no key of \(what); the keys are \(list).", at: key)
            }
            entries[name] = value
        }
        return Mapping(reader: self, what: what, node: node, entries: entries)
    }

    func text(_ node: Node, _ what: String) throws(RecipeError) -> String {
        guard case .scalar(let scalar) = node else { throw invalid("\(what) must be a text.", at: node) }
        guard !scalar.string.contains("\0") else { throw invalid("\(what) contains a NUL character.", at: node) }
        return scalar.string
    }

    func list(_ node: Node, _ what: String) throws(RecipeError) -> [Node] {
        guard case .sequence(let sequence) = node else { throw invalid("\(what) must be a list.", at: node) }
        return Array(sequence)
    }

    /// A whole number in `range`.
    func number(_ node: Node, _ what: String, in range: ClosedRange<Int>) throws(RecipeError) -> Int {
        guard let number = Int(try text(node, what)), range.contains(number) else {
            throw invalid(
                "\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound).", at: node)
        }
        return number
    }

    /// A size such as `64 MiB`, in MiB.
    func mebibytes(_ node: Node, _ what: String) throws(RecipeError) -> Int {
        let words = try text(node, what).split(separator: " ", omittingEmptySubsequences: true)
        let units = ["KiB": 1, "MiB": 1024, "GiB": 1024 * 1024]
        if words.count == 2, let count = Int(words[0]), let unit = units[String(words[1])] {
            let (kibibytes, overflow) = count.multipliedReportingOverflow(by: unit)
            if !overflow, kibibytes > 0, kibibytes.isMultiple(of: 1024), kibibytes / 1024 <= 1 << 24 {
                return kibibytes / 1024
            }
        }
        throw invalid(
            "\(what) must be a size in whole MiB, from 1 MiB to 16384 GiB, such as '64 MiB' or '2 GiB'.", at: node)
    }

    /// An absolute path in the guest, without `.`, `..` and doubled slashes.
    func guestPath(_ node: Node, _ what: String) throws(RecipeError) -> String {
        let path = try text(node, what)
        guard FileTree.isValid(path) else {
            throw invalid("\(what) '\(path)' must be an absolute path in the guest without '.' and '..'.", at: node)
        }
        return path
    }

    /// A mapping with its known keys.
    struct Mapping {
        let reader: RecipeReader
        let what: String
        let node: Node
        let entries: [String: Node]

        subscript(key: String) -> Node? { entries[key] }

        /// The value of a key that must be there.
        func required(_ key: String) throws(RecipeError) -> Node {
            guard let value = entries[key] else { throw reader.invalid("\(what) needs the key '\(key)'.", at: node) }
            return value
        }

        func text(_ key: String, default fallback: String) throws(RecipeError) -> String {
            guard let value = entries[key] else { return fallback }
            return try reader.text(value, "'\(key)'")
        }
    }
}
