/// How names are spelled as refs of the store.
enum Ref {
    /// All refs of a VM: its head, its snapshots, their notes.
    static func all(of vm: Name) -> String { "vms/\(vm)/" }
    static func head(_ vm: Name) -> String { "vms/\(vm)/head" }
    static func snapshot(_ name: Name, of vm: Name) -> String { "vms/\(vm)/snapshots/\(name)" }
    static func note(_ name: Name, of vm: Name) -> String { "vms/\(vm)/notes/\(name)" }
    static func experiment(_ name: Name) -> String { "experiments/\(name)" }
}

/// What a ref is the name of: the reverse of ``Ref``, for the operation log.
package enum RefSubject: Hashable, Sendable, CustomStringConvertible {
    /// The head of a VM.
    case vm(Name)
    case snapshot(Reference)
    /// The tags and the note of a snapshot.
    case note(Reference)
    case experiment(Name)
    /// A ref that this version gives no meaning to.
    case other(String)

    package init(ref: String) {
        let parts = ref.split(separator: "/", omittingEmptySubsequences: false)
        let names = parts.map { try? Name(String($0)) }
        if parts.count == 2, parts[0] == "experiments", let name = names[1] {
            self = .experiment(name)
        } else if parts.count == 3, parts[0] == "vms", parts[2] == "head", let vm = names[1] {
            self = .vm(vm)
        } else if parts.count == 4, parts[0] == "vms", let vm = names[1], let name = names[3],
            parts[2] == "snapshots" || parts[2] == "notes"
        {
            let reference = Reference(vm: vm, snapshot: name)
            self = parts[2] == "notes" ? .note(reference) : .snapshot(reference)
        } else {
            self = .other(ref)
        }
    }

    /// The VM that it belongs to.
    package var vm: Name? {
        switch self {
        case .vm(let name): name
        case .snapshot(let reference), .note(let reference): reference.vm
        case .experiment, .other: nil
        }
    }

    package var description: String {
        switch self {
        case .vm(let name): "VM \(name)"
        case .snapshot(let reference): "snapshot \(reference)"
        case .note(let reference): "tags and note of \(reference)"
        case .experiment(let name): "experiment \(name)"
        case .other(let ref): "ref \(ref)"
        }
    }
}
