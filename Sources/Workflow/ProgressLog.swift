/// Where the steps of a long piece of work are told.
package struct ProgressLog: Sendable {
    private let receive: @Sendable (String) -> Void

    package init(_ receive: @escaping @Sendable (String) -> Void) { self.receive = receive }

    /// Nobody listens.
    package static let silent = ProgressLog { _ in }

    /// Tells one step, a short phrase without a full stop.
    package func step(_ text: String) { receive(text) }
}
