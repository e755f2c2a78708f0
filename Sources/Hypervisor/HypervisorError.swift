/// What went wrong while QEMU was found, started, talked to or stopped.
///
/// Callers switch on ``code``; people read ``message``, which says what happened and what to do, and ``cause``, which
/// is text from elsewhere: QEMU's stderr, a QMP description, the serial console's last lines.
package struct HypervisorError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The closed set of failures.
    package enum Code: Sendable, Hashable {
        /// No `qemu-system-x86_64` (or `qemu-img`) was found or it cannot be executed.
        case qemuNotFound
        /// QEMU or qemu-img ended by itself, with this status and this text on stderr.
        case qemuFailed(exit: ProcessExit, stderr: String)
        /// QEMU refused a migration stream; `stderr` is its own explanation.
        case streamRefused(stderr: String)
        /// QEMU answered a QMP command with an error of this class.
        case qmp(class: String)
        /// What came over a QMP socket is not QMP.
        case malformedMessage
        /// The QMP connection ended while an answer was due.
        case disconnected
        /// A snapshot job ended with an error; ``HypervisorError/cause`` is QEMU's text.
        case snapshotFailed
        /// KVM was asked for but does not run guests on this machine.
        case kvmUnusable(reason: String)
        /// A wait with a limit reached its limit.
        case timeout
        /// No such VM is running, or QEMU has ended already.
        case notRunning
        /// A VM of this name is running already.
        case alreadyRunning
        /// A signal (Ctrl-C, SIGTERM) ended the work.
        case interrupted
        /// A machine configuration, a launch option or a path that cannot work.
        case invalidConfiguration
        /// A system call failed with this `errno`.
        case io(errno: Int32)
    }

    package let code: Code
    /// One or two sentences for the user: what happened, and what to do about it.
    package let message: String
    /// Text of another program that explains the failure, if there is any.
    package let cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String {
        guard let cause, !cause.isEmpty else { return message }
        return "\(message)\n\(cause)"
    }
}
