/// What libvirt refused, or XML of it that cannot be used.
package struct LibvirtError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// No connection to the URI.
        case unreachable
        /// No domain of this name.
        case noDomain
        /// A domain that cannot become a VM, or the other way round.
        case unsuitable
        /// libvirt refused a call.
        case refused
        /// The driver of this connection has no such call.
        case unsupported
    }

    package let code: Code
    /// What happened, and what to do about it; with libvirt's own words.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
