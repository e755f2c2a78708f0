import Foundation

extension BenchmarkTable {
    /// The table for people.
    package var text: String {
        var lines = [
            "\(machine.processor), \(machine.cores) cores, \(Figure.format(Double(machine.memoryBytes), .bytes)) of memory, "
                + "load \(String(format: "%.1f", machine.load)) at the beginning",
            machine.programs.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "),
        ]
        lines += rules.map { "* " + $0 }
        for row in rows { lines += [""] + row.lines }
        let met = rows.count { $0.isMet }
        lines += ["", "\(met) of \(rows.count) rows meet their target"]
        return lines.joined(separator: "\n")
    }
}

extension RowReport {
    /// The row for people.
    package var text: String { lines.joined(separator: "\n") }

    var lines: [String] {
        var lines = ["\(isMet ? "met   " : "MISSED") \(title)", "       to reach: \(target)"]
        func line(_ left: String, _ right: String) { lines.append("       " + Self.padded(left, 44) + right) }
        for figure in own { line("stemma: \(figure.what)", figure.text) }
        for comparison in comparisons {
            if let peer = comparison.peer { line(peer.what, peer.text) }
            line("  \(comparison.what)", comparison.text)
        }
        for check in checks { line(check.what, check.hasPassed ? "       yes" : "        NO") }
        lines += notes.map { "       " + $0 }
        if let failure { lines.append("       not measured to its end: \(failure)") }
        return lines
    }

    /// `text` and spaces up to `width`; a longer text stays whole.
    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}

extension Comparison {
    /// The ratio, its limit, and whether it is met.
    var text: String {
        let text = String(format: "%10.2f", ratio) + "x"
        guard let limit else { return text }
        let sign = sense == .atLeast ? ">=" : "<="
        return text + "  (\(sign) \(String(format: "%.2f", limit))) \(isMet ? "met" : "MISSED")"
    }
}

extension Figure {
    /// The median, the samples' range when there are several, and the command.
    package var text: String {
        var text = Self.format(value, unit)
        text = String(repeating: " ", count: max(0, 12 - text.count)) + text
        if samples.count > 1, let least = samples.min(), let most = samples.max() {
            text += "  (\(Self.format(least, unit)) ... \(Self.format(most, unit)), \(samples.count) times)"
        }
        return command.isEmpty ? text : text + "  " + command
    }

    package static func format(_ value: Double, _ unit: Unit) -> String {
        switch unit {
        case .seconds:
            value < 0.001
                ? String(format: "%.2f µs", value * 1e6)
                : value < 1 ? String(format: "%.1f ms", value * 1000) : String(format: "%.2f s", value)
        case .bytes: String(format: "%.1f MiB", value / 1_048_576)
        case .bytesPerSecond: String(format: "%.0f MiB/s", value / 1_048_576)
        case .operationsPerSecond: String(format: "%.0f /s", value)
        case .instructions: String(format: "%.1f M", value / 1e6)
        case .instructionsPerSecond: String(format: "%.1f M/s", value / 1e6)
        }
    }
}
