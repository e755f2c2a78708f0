/// The argument of QEMU's `-cpu`, taken apart: a model, and options in their order.
package struct CPUArgument: Sendable, Hashable, CustomStringConvertible {
    /// `name=value`, `+name` or `-name`.
    package struct Option: Sendable, Hashable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            (self.name, self.value) = (name, value)
        }

        /// Whether it switches something on or off; nil for other values.
        package var isOn: Bool? {
            switch value {
            case "on", "yes", "true", "y": true
            case "off", "no", "false", "n": false
            default: nil
            }
        }
    }

    package var model: String
    package var options: [Option]

    package init(model: String, options: [Option] = []) {
        (self.model, self.options) = (model, options)
    }

    /// Takes an argument apart. `+feature` and `-feature` count after all others, as in QEMU.
    package init(_ text: String) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: true).map(String.init)
        model = parts.first ?? ""
        var plain: [Option] = []
        var signed: [Option] = []
        for part in parts.dropFirst() {
            if part.hasPrefix("+") || part.hasPrefix("-") {
                signed.append(Option(name: String(part.dropFirst()), value: part.hasPrefix("+") ? "on" : "off"))
            } else if let equals = part.firstIndex(of: "=") {
                plain.append(
                    Option(name: String(part[..<equals]), value: String(part[part.index(after: equals)...])))
            } else {
                plain.append(Option(name: part, value: "on"))
            }
        }
        options = plain + signed
    }

    /// Without the options of these names.
    package func without(_ names: Set<String>) -> CPUArgument {
        CPUArgument(model: model, options: options.filter { !names.contains($0.name) })
    }

    /// With a feature or a property set, instead of any earlier setting.
    package func setting(_ name: String, to value: String) -> CPUArgument {
        var result = without([name])
        result.options.append(Option(name: name, value: value))
        return result
    }

    /// Switches of features as `+` and `-`, the rest as `name=value`.
    package var description: String {
        ([model]
            + options.map { option in
                switch option.isOn {
                case nil: "\(option.name)=\(option.value)"
                case true? where option.name == "enforce" || option.name == "check": option.name
                case let isOn? where FeatureTable.standard.qemu(option.name).isEmpty:
                    "\(option.name)=\(isOn ? "on" : "off")"
                case let isOn?: (isOn ? "+" : "-") + option.name
                }
            }).joined(separator: ",")
    }
}
