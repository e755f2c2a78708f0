/// A message of the Linux kernel that matters to the product.
package enum KernelMessage: String, Sendable, Hashable, Codable, CaseIterable {
    /// IPIs by hypercall.
    case hypercallIPIs
    /// Yielding to preempted vCPUs by hypercall.
    case hypercallYield
    /// Waking spinlock waiters by hypercall.
    case hypercallSpinlocks

    /// The texts that kernels of different versions print, without level and newline.
    package var texts: [String] {
        switch self {
        case .hypercallIPIs: ["kvm-guest: setup PV IPIs", "KVM setup pv IPIs"]
        case .hypercallYield: ["kvm-guest: setup PV sched yield", "KVM setup pv sched yield"]
        case .hypercallSpinlocks: ["kvm-guest: PV spinlocks enabled"]
        }
    }
}

/// An occurrence of a message in guest memory.
package struct KernelLogEvidence: Sendable, Hashable, Codable {
    /// How much an occurrence proves.
    package enum Kind: String, Sendable, Hashable, Codable {
        /// A record of the kernel's log buffer: this kernel printed the message.
        case record
        /// Text from anywhere else: some kernel printed it some time.
        case copy
        /// The string in the kernel's code; proves nothing.
        case formatString
    }

    /// Which message.
    package var message: KernelMessage
    /// How much it proves.
    package var kind: Kind
    /// Guest-physical address of the text.
    package var address: UInt64
    /// The text that was found.
    package var text: String

    /// Makes an occurrence.
    package init(message: KernelMessage, kind: Kind, address: UInt64, text: String) {
        self.message = message
        self.kind = kind
        self.address = address
        self.text = text
    }
}
