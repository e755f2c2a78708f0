import Glibc

/// The user's terminal as the guest's serial console: every key goes to the guest, Ctrl-C too. Its settings are put back at the end.
struct NativeTerminal: ~Copyable {
    /// What a user means by keys after Ctrl-a.
    enum Command: Sendable { case quit, help }

    private let saved: termios?
    private var isEscaped = false
    /// Keys for the guest that the serial port had no room for.
    private var waiting: [UInt8] = []
    /// Nothing more comes from standard input.
    private(set) var isClosed = false

    /// Standard input may also be a pipe or a file: then there is nothing to set.
    init() {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else {
            saved = nil
            return
        }
        saved = settings
        cfmakeraw(&settings)
        // Output stays as it is: a line feed of our own messages begins a line.
        settings.c_oflag |= tcflag_t(OPOST | ONLCR)
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }

    deinit {
        if var saved { tcsetattr(STDIN_FILENO, TCSADRAIN, &saved) }
    }

    /// Keys that wait for the guest.
    var hasInput: Bool { !waiting.isEmpty }

    /// Gives the guest what it takes.
    mutating func deliver(_ take: ([UInt8]) -> Int) {
        guard !waiting.isEmpty else { return }
        waiting.removeFirst(min(take(waiting), waiting.count))
    }

    /// Reads what was typed since.
    mutating func read() -> Command? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(STDIN_FILENO, &buffer, buffer.count)
        if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { isClosed = true }
        guard count > 0 else { return nil }
        for byte in buffer[..<count] {
            if isEscaped {
                isEscaped = false
                switch byte {
                case UInt8(ascii: "x"), UInt8(ascii: "X"): return .quit
                case UInt8(ascii: "h"), UInt8(ascii: "?"): return .help
                case 1: waiting.append(1)
                default: break
                }
            } else if byte == 1 {
                isEscaped = true
            } else {
                waiting.append(byte)
            }
        }
        return nil
    }

    static let help = """
        Ctrl-a x       end the run
        Ctrl-a Ctrl-a  send Ctrl-a to the guest
        Ctrl-a h       this help
        'stemma snapshot save VM NAME' in another terminal saves a snapshot.
        """
}

/// Bytes to standard output, all of them, whatever it is.
func writeConsole(_ bytes: [UInt8]) {
    var position = 0
    while position < bytes.count {
        let count = bytes.withUnsafeBytes { buffer in
            buffer.baseAddress.map { write(STDOUT_FILENO, $0 + position, buffer.count - position) } ?? 0
        }
        if count > 0 { position += count } else if errno != EINTR && errno != EAGAIN { return }
    }
}
