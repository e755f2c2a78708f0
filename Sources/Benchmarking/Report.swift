/// A line of a benchmark's table, by the name that selects it.
package protocol TableRow: RawRepresentable<String>, Sendable {
    /// What is measured.
    var title: String { get }
    /// The target, in words.
    var target: String { get }
    /// The programs that it compares with, or needs.
    var tools: [Requirement] { get }
}

/// What was measured in one run: a row for each line of the table.
package struct BenchmarkTable: Sendable, Codable {
    /// The rules that hold for every program that is measured.
    package var rules: [String] = []
    package var machine = MachineDescription()
    package var rows: [RowReport] = []

    package init() {}

    /// Whether every row that was measured meets its target.
    package var isMet: Bool { rows.allSatisfy(\.isMet) }
}

/// Where it was measured.
package struct MachineDescription: Sendable, Codable {
    package var processor = ""
    package var cores = 0
    package var memoryBytes: UInt64 = 0
    /// The load average of the last minute when the run began: what else was running.
    package var load = 0.0
    /// Versions of the programs, by name.
    package var programs: [String: String] = [:]
}

/// One line of the table.
package struct RowReport: Sendable, Codable {
    /// The row's name on the command line.
    package let row: String
    package let title: String
    /// The target, in words.
    package let target: String
    package var own: [Figure] = []
    package var comparisons: [Comparison] = []
    package var checks: [Check] = []
    package var notes: [String] = []
    /// Why it could not be measured to its end; nil when it was.
    package var failure: String?

    package init(_ row: some TableRow) {
        self.row = row.rawValue
        title = row.title
        target = row.target
    }

    /// Whether it was measured, all comparisons reach their limits, and all checks passed.
    package var isMet: Bool {
        failure == nil && comparisons.allSatisfy(\.isMet) && checks.allSatisfy(\.hasPassed)
            && !(comparisons.isEmpty && checks.isEmpty)
    }

    package mutating func add(_ figure: Figure) { own.append(figure) }
    package mutating func check(_ what: String, _ hasPassed: Bool) {
        checks.append(Check(what: what, hasPassed: hasPassed))
    }
}

/// A number that was measured: the median of its samples.
package struct Figure: Sendable, Codable {
    package enum Unit: String, Sendable, Codable {
        case seconds, bytes, bytesPerSecond, operationsPerSecond, instructions, instructionsPerSecond
    }

    package let what: String
    package let unit: Unit
    /// In the order they were taken.
    package let samples: [Double]
    /// What was run.
    package let command: String

    package init(_ what: String, _ unit: Unit, _ samples: [Double], command: String = "") {
        self.what = what
        self.unit = unit
        self.samples = samples
        self.command = command
    }

    /// The median; of an even number, the mean of the middle two.
    package var value: Double {
        let sorted = samples.sorted()
        guard !sorted.isEmpty else { return 0 }
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }

    private enum CodingKeys: String, CodingKey { case what, unit, samples, command, value }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        what = try container.decode(String.self, forKey: .what)
        unit = try container.decode(Unit.self, forKey: .unit)
        samples = try container.decode([Double].self, forKey: .samples)
        command = try container.decode(String.self, forKey: .command)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(what, forKey: .what)
        try container.encode(unit, forKey: .unit)
        try container.encode(samples, forKey: .samples)
        try container.encode(command, forKey: .command)
        try container.encode(value, forKey: .value)
    }
}

/// A ratio and its limit, or a ratio that only tells.
package struct Comparison: Sendable, Codable {
    package enum Sense: String, Sendable, Codable {
        case atLeast, atMost
    }

    /// What the ratio is of, for example `restic / stemma`.
    package let what: String
    /// What was measured next to ours; nil for a ratio of two of our own figures or for a plain limit.
    package let peer: Figure?
    package let ratio: Double
    package let sense: Sense
    /// Nil when no target depends on it.
    package let limit: Double?

    package var isMet: Bool {
        guard let limit else { return true }
        return sense == .atLeast ? ratio >= limit : ratio <= limit
    }

    package init(_ what: String, peer: Figure? = nil, ratio: Double, _ sense: Sense, _ limit: Double?) {
        self.what = what
        self.peer = peer
        self.ratio = ratio
        self.sense = sense
        self.limit = limit
    }

    private enum CodingKeys: String, CodingKey { case what, peer, ratio, sense, limit, isMet }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        what = try container.decode(String.self, forKey: .what)
        peer = try container.decodeIfPresent(Figure.self, forKey: .peer)
        ratio = try container.decode(Double.self, forKey: .ratio)
        sense = try container.decode(Sense.self, forKey: .sense)
        limit = try container.decodeIfPresent(Double.self, forKey: .limit)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(what, forKey: .what)
        try container.encodeIfPresent(peer, forKey: .peer)
        try container.encode(ratio, forKey: .ratio)
        try container.encode(sense, forKey: .sense)
        try container.encodeIfPresent(limit, forKey: .limit)
        try container.encode(isMet, forKey: .isMet)
    }
}

/// Something that must be so, such as that a restored disk is equal.
package struct Check: Sendable, Codable {
    package let what: String
    package let hasPassed: Bool
}
