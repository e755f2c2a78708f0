import Yams

extension ConversionPolicy {
    /// Policies are small; a larger text is no policy.
    private static let largest = 1 << 20

    /// Reads a policy from YAML.
    ///
    /// - Parameter name: name of the file, for messages.
    package init(yaml: String, name: String) throws(ConversionError) {
        guard yaml.utf8.count <= Self.largest else {
            throw ConversionError(.policy, "the policy has more than \(Self.largest) bytes", place: name)
        }
        // Aliases can blow a small text up without bounds, and no policy needs them.
        if let line = Self.lineWithAlias(yaml) {
            throw ConversionError(.policy, "anchors and aliases are not allowed in policies", place: "\(name):\(line)")
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw ConversionError(.policy, "the policy is no YAML", place: name, cause: "\(error)")
        }
        guard let root else { throw ConversionError(.policy, "the policy is empty", place: name) }
        let reader = PolicyReader(name: name)
        var policy = ConversionPolicy(rules: [:])
        var hasVersion = false
        for (key, value) in try reader.mapping(root, "the policy") {
            switch try reader.text(key) {
            case "version":
                guard value.int == 1 else { throw reader.error(value, "only version 1 of policies is known") }
                hasVersion = true
            case "target":
                policy.target = try reader.text(value)
            case "repairs":
                policy.repairs = try reader.word(value, "repairs")
            case "warnings":
                policy.warnings = try reader.level(value, among: [.fatal, .warning, .note])
            case "checks":
                for (id, rule) in try reader.mapping(value, "\"checks\"") {
                    policy.rules[try reader.text(id)] = try reader.rule(id, rule)
                }
            case "fixes":
                for (id, word) in try reader.mapping(value, "\"fixes\"") {
                    if try !reader.isAllowed(fix: id, word) { policy.forbiddenFixes.insert(try reader.text(id)) }
                }
            case let other:
                throw reader.error(
                    key, "unknown key \"\(other)\"; known are version, target, repairs, warnings, checks and fixes")
            }
        }
        guard hasVersion else { throw reader.error(root, "the policy needs 'version: 1'") }
        self = policy
    }

    /// The first line with an alias (`*name`) where a value can stand.
    private static func lineWithAlias(_ yaml: String) -> Int? {
        for (number, line) in yaml.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            var previous: Character = " "
            for character in line {
                if character == "#", previous == " " { break }
                if character == "*" || character == "&", " :[{,-?".contains(previous) { return number + 1 }
                previous = character == "\t" ? " " : character
            }
        }
        return nil
    }
}

/// Reads nodes with errors that name the line.
private struct PolicyReader {
    let name: String

    func error(_ node: Node, _ message: String) -> ConversionError {
        let place = node.mark.map { "\(name):\($0.line):\($0.column)" } ?? name
        return ConversionError(.policy, message, place: place)
    }

    func mapping(_ node: Node, _ what: String) throws(ConversionError) -> [(Node, Node)] {
        guard let mapping = node.mapping else { throw error(node, "\(what) has to be a mapping of keys to values") }
        return mapping.map { ($0.key, $0.value) }
    }

    func text(_ node: Node) throws(ConversionError) -> String {
        guard let scalar = node.scalar else { throw error(node, "a word was expected") }
        return scalar.string
    }

    /// One of an enumeration's words.
    func word<Value: RawRepresentable & CaseIterable>(
        _ node: Node, _ what: String
    ) throws(ConversionError) -> Value where Value.RawValue == String {
        let word = try text(node)
        guard let value = Value(rawValue: word) else {
            let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw error(node, "unknown word \"\(word)\" for \(what); known are \(known)")
        }
        return value
    }

    func level(
        _ node: Node, among known: [ConversionPolicy.Rule.Level]
    ) throws(ConversionError) -> ConversionPolicy.Rule.Level {
        let word = try text(node)
        guard let level = ConversionPolicy.Rule.Level(rawValue: word), known.contains(level) else {
            throw error(
                node, "unknown severity \"\(word)\"; known are \(known.map(\.rawValue).joined(separator: ", "))")
        }
        return level
    }

    /// `allow` or `forbid`.
    func isAllowed(_ node: Node) throws(ConversionError) -> Bool {
        switch try text(node) {
        case "allow": return true
        case "forbid": return false
        case let word: throw error(node, "unknown word \"\(word)\"; known are allow and forbid")
        }
    }

    func isAllowed(fix id: Node, _ word: Node) throws(ConversionError) -> Bool {
        let name = try text(id)
        guard SnapshotConverter.fixes.contains(name) else {
            let known = SnapshotConverter.fixes.sorted().joined(separator: ", ")
            throw error(id, "unknown fix \"\(name)\"; known are \(known)")
        }
        return try isAllowed(word)
    }

    func rule(_ id: Node, _ node: Node) throws(ConversionError) -> ConversionPolicy.Rule {
        let name = try text(id)
        guard let check = SnapshotChecks.all.first(where: { $0.id == name }) else {
            let known = SnapshotChecks.all.map(\.id).joined(separator: ", ")
            throw error(id, "unknown check \"\(name)\"; known are \(known)")
        }
        var rule = ConversionPolicy.Rule()
        for (key, value) in try mapping(node, name) {
            switch try text(key) {
            case "severity":
                let level = try level(value, among: ConversionPolicy.Rule.Level.allCases)
                guard level != .fixable || check.fix != nil else {
                    throw error(value, "\(name) has no fix, its findings cannot be fixable")
                }
                rule.severity = level
            case "fatal": rule.fatal = try level(value, among: [.fatal, .warning, .note])
            case "warnings": rule.warnings = try level(value, among: [.fatal, .warning, .note])
            case "fix":
                guard check.fix != nil || check.repair != nil else { throw error(key, "\(name) has no fix") }
                rule.allowsFix = try isAllowed(value)
            case "waive":
                rule.isWaived = true
                rule.reason = try nonEmpty(value, "waive")
            case "reason": rule.reason = try nonEmpty(value, "reason")
            case let other:
                throw error(
                    key, "unknown key \"\(other)\"; known are severity, fatal, warnings, fix, waive and reason")
            }
        }
        return rule
    }

    private func nonEmpty(_ node: Node, _ key: String) throws(ConversionError) -> String {
        let text = try text(node)
        guard !text.allSatisfy(\.isWhitespace) else { throw error(node, "\"\(key)\" needs a reason in words") }
        return text
    }
}
