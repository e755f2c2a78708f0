/// Something that QEMU reports by itself (QEMU, qapi/*.json, `'event'` definitions).
package struct QMPEvent: Sendable, Hashable {
    /// What happened. Events that nothing here depends on are `.other`.
    package enum Kind: Sendable, Hashable {
        /// The guest's CPUs have stopped.
        case stop
        /// The guest's CPUs run again.
        case resume
        /// QEMU is about to end; `byGuest` tells whether the guest asked for it.
        case shutdown(byGuest: Bool, reason: String)
        /// The guest was reset.
        case reset(byGuest: Bool, reason: String)
        /// A job has reached a state: `created running concluded null ...`.
        case jobStatusChange(id: String, status: String)
        /// The guest reported a panic.
        case guestPanicked
        /// A migration has reached a state: `setup active completed failed ...`.
        case migration(status: String)
        /// Any other event, by its name.
        case other(String)
    }

    package let kind: Kind
    /// The event's data as it came.
    package let data: JSONValue
    /// When QEMU sent it: seconds and microseconds since 1970.
    package let seconds: Int64
    package let microseconds: Int64

    init(name: String, data: JSONValue, seconds: Int64, microseconds: Int64) {
        self.data = data
        self.seconds = seconds
        self.microseconds = microseconds
        let byGuest = data["guest"] == .bool(true)
        let reason = data["reason"]?.text ?? ""
        self.kind =
            switch name {
            case "STOP": .stop
            case "RESUME": .resume
            case "SHUTDOWN": .shutdown(byGuest: byGuest, reason: reason)
            case "RESET": .reset(byGuest: byGuest, reason: reason)
            case "JOB_STATUS_CHANGE":
                .jobStatusChange(id: data["id"]?.text ?? "", status: data["status"]?.text ?? "")
            case "GUEST_PANICKED": .guestPanicked
            case "MIGRATION": .migration(status: data["status"]?.text ?? "")
            default: .other(name)
            }
    }
}
