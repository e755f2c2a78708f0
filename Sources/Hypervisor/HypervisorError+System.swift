import Glibc

extension HypervisorError {
    /// An error for a failed system call; reads `errno`, so call it directly after the failure.
    ///
    /// - Parameters:
    ///   - what: the attempted operation with its object, for example `open /run/x`.
    ///   - advice: what the user can do; empty when the text of the error says it.
    static func system(_ what: String, advice: String = "") -> HypervisorError {
        system(what, errno: errno, advice: advice)
    }

    /// An error for a failed system call with a known `errno`.
    static func system(_ what: String, errno number: Int32, advice: String = "") -> HypervisorError {
        let reason = String(cString: strerror(number))
        let defaultAdvice =
            switch number {
            case ENOSPC: "Free some disk space and try again."
            case EACCES, EPERM: "Check the owner and the permissions."
            default: ""
            }
        let hint = advice.isEmpty ? defaultAdvice : advice
        return HypervisorError(
            .io(errno: number), "Cannot \(what): \(reason)." + (hint.isEmpty ? "" : " \(hint)"))
    }
}
