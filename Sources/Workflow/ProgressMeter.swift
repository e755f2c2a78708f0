/// One line that tells how far a piece of work is, as text: no terminal, no clock of its own.
package struct ProgressMeter: Sendable {
    private var step = ""
    private var amount = ProgressAmount(done: 0)
    private var begin: Duration = .zero
    private var now: Duration = .zero
    /// The tenth of the work that was told last as a line of its own.
    private var tenth = 0
    private var told: Duration = .zero

    package init() {}

    /// Takes in how far a step is at the moment `time`, counted from anywhere.
    package mutating func update(_ step: String, _ amount: ProgressAmount, at time: Duration) {
        if step != self.step || amount.done < self.amount.done {
            self.step = step
            begin = time
            tenth = 0
            told = time
        }
        self.amount = amount
        now = time
    }

    /// The line, at most `width` characters wide: `reading disk.raw  1.20 GiB of 2.00 GiB, 60 %, 240 MiB/s, 3 s left`.
    package func line(width: Int) -> String {
        let facts = facts
        let room = width - facts.count - 4
        guard room > 8 else { return String("· \(facts)".prefix(max(0, width))) }
        let words = step.count <= room ? step : "…" + step.suffix(room - 1)
        return "· \(words)  \(facts)"
    }

    /// A line for a reader that cannot redraw one, when it is worth telling: at each tenth of the work, or after ten
    /// seconds without a word.
    package mutating func occasionalLine() -> String? {
        let tenth = amount.total.map { $0 == 0 ? 10 : Int(clamping: min(10, amount.done / max(1, $0 / 10))) } ?? 0
        let isDue = now - told >= .seconds(10) || (tenth > self.tenth && now - told >= .seconds(1))
        guard isDue else { return nil }
        self.tenth = tenth
        told = now
        return "\(step): \(facts)"
    }

    private var facts: String {
        func text(_ value: UInt64) -> String {
            switch amount.unit {
            case .bytes: Text.size(value)
            case .items(let name): "\(value) \(name)"
            }
        }
        let seconds = (now - begin) / .seconds(1)
        var facts = [amount.total.map { "\(text(amount.done)) of \(text($0))" } ?? text(amount.done)]
        if let total = amount.total, total > 0 {
            facts.append("\(min(100, Int(Double(amount.done) / Double(total) * 100))) %")
        }
        if seconds >= 1, amount.done > 0 {
            let rate = Double(amount.done) / seconds
            if amount.unit == .bytes { facts.append(text(UInt64(rate)) + "/s") }
            if let total = amount.total, total > amount.done {
                facts.append("\(UInt64((Double(total - amount.done) / rate).rounded(.up))) s left")
            }
        }
        return facts.joined(separator: ", ")
    }
}
