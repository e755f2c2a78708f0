/// A device could not be made from a snapshot, or could not go on.
package struct DeviceError: Error, Sendable, Hashable {
    package enum Code: Sendable, Hashable {
        /// A field that the device cannot do without is missing or has a value that QEMU never writes.
        case malformed
        /// The device is in a state that this model lacks.
        case unsupported
    }

    package let code: Code
    /// What is wrong and what to do.
    package let message: String
    /// The error of the layer below.
    package let cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}
