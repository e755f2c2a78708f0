import Glibc

/// The settings of the terminal on stdin, to be put back after a program that changed them and could not.
struct TerminalState: Sendable {
    private let settings: termios

    /// The present settings, or `nil` when stdin is no terminal.
    init?() {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        self.settings = settings
    }

    func restore() {
        var settings = settings
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }
}
