/// What a command in the guest's shell leaves on the serial console.
package struct ConsoleCommand: Sendable {
    /// The line that is typed. The mark is put together by the shell, so that the echo of the line is not taken for it.
    package let line: String
    /// What the console says at the end, between its two halves the exit status.
    package static let endMark = "end-"
    package static let statusEnd = "-"

    /// How the echo of a line ends.
    private static let echoEnd = "end''-$?-"

    package init(_ command: String) { line = command + "; echo " + Self.echoEnd + "\r" }

    /// What the command printed, out of everything that came before the end mark: without prompts and the echo of the line, what an
    /// interactive shell sends to the terminal, and carriage returns.
    package static func output(of console: String) -> String {
        var text = ""
        var isEscape = false
        for scalar in console.unicodeScalars {
            switch scalar {
            case "\u{1B}": isEscape = true
            case "\r": break
            // The last byte of a control sequence (ECMA-48, 5.4).
            case "@"..."Z" where isEscape, "a"..."z" where isEscape: isEscape = false
            default: if !isEscape { text.unicodeScalars.append(scalar) }
            }
        }
        // In front may stand the prompt of the command before, and an echo by the terminal of what was typed too early for the shell.
        guard let echo = text.ranges(of: echoEnd).last else { return text }
        return String(text[echo.upperBound...].drop { $0 == " " }.dropFirst())
    }
}
