import ContentStore

/// What a user picks to be sent to another store.
package enum Selection: Hashable, Sendable {
    /// A VM with all its snapshots, their tags and notes.
    case vm(Name)
    /// One snapshot with its tags and note.
    case snapshot(Reference)
    case experiment(Name)

    /// Parses `VM`, `VM:SNAPSHOT` or `experiment/NAME`.
    package init(parsing text: String) throws(LineageError) {
        if text.hasPrefix("experiment/") {
            self = .experiment(try Name(String(text.dropFirst("experiment/".count)), role: "experiment"))
            return
        }
        let reference = try Reference(parsing: text)
        self = reference.snapshot == nil ? .vm(reference.vm) : .snapshot(reference)
    }
}

extension Catalogue {
    /// The refs of what was picked, with the commits that they name: what a bundle carries.
    ///
    /// - Throws: `notFound` when something that was picked is not there.
    package func refs(of selections: [Selection]) throws -> [String: Digest] {
        var refs: [String: Digest] = [:]
        for selection in selections {
            switch selection {
            case .vm(let name):
                _ = try resolve(Reference(vm: name))
                for (ref, digest) in try store.refs(prefix: "vms/\(name)/") { refs[ref] = digest }
            case .snapshot(let reference):
                let found = try snapshot(reference)
                refs[Ref.snapshot(found.name, of: reference.vm)] = found.digest
                let note = Ref.note(found.name, of: reference.vm)
                if let digest = try store.ref(note) { refs[note] = digest }
            case .experiment(let name): refs[Ref.experiment(name)] = try experiment(name).digest
            }
        }
        return refs
    }

    /// Everything that has a name.
    package func everything() throws -> [Selection] {
        try vms().map { .vm($0.name) } + experiments().map { .experiment($0.name) }
    }
}
