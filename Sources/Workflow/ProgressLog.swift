/// How far a long piece of work is.
package struct ProgressAmount: Sendable, Hashable {
    /// What is counted.
    package enum Unit: Sendable, Hashable {
        case bytes
        case items(String)
    }

    package var done: UInt64
    /// Nil when nobody knows.
    package var total: UInt64?
    package var unit: Unit

    package init(done: UInt64, total: UInt64? = nil, unit: Unit = .bytes) {
        self.done = done
        self.total = total
        self.unit = unit
    }
}

/// Where the steps of a long piece of work are told.
package struct ProgressLog: Sendable {
    private let receive: @Sendable (String) -> Void
    private let receiveAmount: @Sendable (String, ProgressAmount) -> Void

    /// - Parameters:
    ///   - receive: told each step.
    ///   - amount: told how far a step is, often; the words are those of the step.
    package init(
        _ receive: @escaping @Sendable (String) -> Void,
        amount: @escaping @Sendable (String, ProgressAmount) -> Void = { _, _ in }
    ) {
        self.receive = receive
        receiveAmount = amount
    }

    /// Nobody listens.
    package static let silent = ProgressLog { _ in }

    /// Tells one step, a short phrase without a full stop.
    package func step(_ text: String) { receive(text) }

    /// Tells how far a step is. Cheap: may be called for every few MiB.
    package func amount(_ step: String, _ amount: ProgressAmount) { receiveAmount(step, amount) }
}
