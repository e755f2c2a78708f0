/// How a resumed guest failed, as far as checks can explain it.
package struct ResumeSymptom: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Hashable, Codable {
        /// The target did not load the snapshot; ``ResumeSymptom/words`` is what it said.
        case refused
        /// No CPU did anything, and no interrupt came.
        case silent
        /// CPUs execute instructions, and no interrupt came.
        case spinning
        /// The guest was reset, or its CPU gave up with a triple fault.
        case reset
        /// Instructions that the CPU does not know.
        case invalidOpcodes
        /// Interrupts come, but the guest's clock stands.
        case clockStands
        /// The guest's kernel panicked, or the target stopped it.
        case stopped
    }

    package var kind: Kind
    /// The target's words.
    package var words: String
    /// The first bytes of an instruction that was invalid.
    package var instruction: [UInt8]
    /// Whether a program, and not the kernel, met it.
    package var isUser: Bool
    /// A CPU's APIC timer is in TSC-deadline mode.
    package var waitsForDeadline: Bool
    /// A halted CPU has interrupts that were requested and not taken.
    package var hasUntakenInterrupt: Bool
    /// A halted CPU has an interrupt in service, which keeps others away.
    package var hasUnfinishedInterrupt: Bool

    package init(
        _ kind: Kind, words: String = "", instruction: [UInt8] = [], isUser: Bool = false,
        waitsForDeadline: Bool = false, hasUntakenInterrupt: Bool = false, hasUnfinishedInterrupt: Bool = false
    ) {
        self.kind = kind
        self.words = words
        self.instruction = instruction
        self.isUser = isUser
        self.waitsForDeadline = waitsForDeadline
        self.hasUntakenInterrupt = hasUntakenInterrupt
        self.hasUnfinishedInterrupt = hasUnfinishedInterrupt
    }
}

/// Which check explains a symptom.
package struct ResumeExplanation: Sendable, Hashable, Codable {
    /// How sure it is.
    package enum Certainty: String, Sendable, Hashable, Codable {
        /// The guest was seen to fail on what the check is about.
        case seen
        /// The check found something in the snapshot that has this effect.
        case found
        /// Neither, but it is what such a failure usually comes from.
        case guessed
    }

    /// Id of the check.
    package var check: String
    package var certainty: Certainty
    /// What connects the symptom with the check, in a sentence.
    package var reason: String
    /// What to do; empty when the check did not say.
    package var remedy: String
    /// It came from what happened to be under way when the snapshot was saved: another moment may do.
    package var isOfTheMoment: Bool

    /// Checks for states that last only for a moment: an interrupt or exception on its way, a pending page, an EOI that is
    /// still due.
    package static let momentary: Set<String> = ["C18", "C20", "C23", "C24", "C25"]
}
