import Yams

extension ConversionPolicy {
    /// Reads a policy from YAML.
    ///
    /// - Parameter name: name of the file, for messages.
    package init(yaml: String, name: String) throws(ConversionError) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            throw ConversionError(.policy, "the policy is no YAML", place: name, cause: "\(error)")
        }
        guard let root else { throw ConversionError(.policy, "the policy is empty", place: name) }
        let reader = PolicyReader(name: name)
        var rules: [String: Rule] = [:]
        var repairs = Repairs.none
        var hasVersion = false
        for (key, value) in try reader.mapping(root, "the policy") {
            switch try reader.text(key) {
            case "version":
                guard value.int == 1 else { throw reader.error(value, "only version 1 of policies is known") }
                hasVersion = true
            case "checks":
                for (id, rule) in try reader.mapping(value, "\"checks\"") {
                    rules[try reader.text(id)] = try reader.rule(id, rule)
                }
            case "repairs":
                let word = try reader.text(value)
                guard let known = Repairs(rawValue: word) else {
                    throw reader.error(value, "unknown repairs \"\(word)\"; known are none and linux")
                }
                repairs = known
            case let other:
                throw reader.error(key, "unknown key \"\(other)\"; known are version, repairs and checks")
            }
        }
        guard hasVersion else { throw reader.error(root, "the policy needs 'version: 1'") }
        self.init(rules: rules, repairs: repairs)
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
                let word = try text(value)
                guard let level = ConversionPolicy.Rule.Level(rawValue: word) else {
                    let known = ConversionPolicy.Rule.Level.allCases.map(\.rawValue).joined(separator: ", ")
                    throw error(value, "unknown severity \"\(word)\"; known are \(known)")
                }
                guard level != .fixable || check.fix != nil else {
                    throw error(value, "\(name) has no fix, its findings cannot be fixable")
                }
                rule.severity = level
            case "fix":
                guard check.fix != nil || check.repair != nil else { throw error(key, "\(name) has no fix") }
                switch try text(value) {
                case "allow": rule.allowsFix = true
                case "forbid": rule.allowsFix = false
                case let word: throw error(value, "unknown word \"\(word)\"; known are allow and forbid")
                }
            case let other:
                throw error(key, "unknown key \"\(other)\"; known are severity and fix")
            }
        }
        return rule
    }
}
