import Glibc

extension RefTransaction {
    /// One file of `refs/` that is replaced or removed.
    struct Step: Sendable {
        /// The name of a ref or of a group.
        var name: String
        /// What the file is to say; nil to remove it.
        var file: RefFile?
    }

    /// What a change does to files, in order, and what the log says about it.
    struct Plan {
        var steps: [Step] = []
        var record: [Operation.Change] = []

        /// The steps in groups of which one is durable before the next begins; the last step for a name counts.
        ///
        /// A table never shows what an own file is to hide, and an own file goes only when the table that has its name is there, or the
        /// one that it hides is gone: a power cut keeps any part of what is not durable.
        var phases: [[Step]] {
            var order: [[UInt8]] = []
            var last: [[UInt8]: Step] = [:]
            for step in steps {
                let name = Array(step.name.utf8)
                if last.updateValue(step, forKey: name) == nil { order.append(name) }
            }
            let steps = order.compactMap { last[$0] }
            func phase(isGroup: Bool, isRemoval: Bool) -> [Step] {
                steps.filter { RefGroup.isGroup($0.name) == isGroup && ($0.file == nil) == isRemoval }
            }
            return [
                phase(isGroup: false, isRemoval: false), phase(isGroup: true, isRemoval: false),
                phase(isGroup: true, isRemoval: true), phase(isGroup: false, isRemoval: true),
            ].filter { !$0.isEmpty }
        }
    }

    /// More own files than this of one group are put into a table when something has to be done with each of them.
    private static let manyFiles = 8
    /// More changes than this in one group are made by a new table.
    private static let manyChanges = 16
    /// A change of a group that has more own files than this puts them into a table: so that copying a group with a long history, which
    /// does the same, never has to do it with thousands of files.
    private static let mostFiles = 64

    /// What is to be done with which files.
    ///
    /// - Parameter olds: the present values of what `changes` change.
    func plan(
        _ changes: [RefChange], _ olds: [Digest?], _ groups: [RefGroupChange]
    ) throws(StoreError) -> Plan {
        var plan = Plan()
        let single = Set(changes.map { Array($0.name.utf8) })
        var removed: Set<String> = []
        for case .remove(let group) in groups { removed.insert(group) }
        for change in groups {
            switch change {
            case .remove(let group): try remove(group, besides: single, into: &plan)
            case .copy(let origin, let group):
                // What is left of another group of this name goes first.
                try remove(group, besides: single, into: &plan)
                try copy(origin, to: group, besides: single, isOriginRemoved: removed.contains(origin), into: &plan)
            }
        }
        try change(changes, olds, removed, into: &plan)
        return plan
    }

    /// Single changes. Those of one group that are many get a table.
    private func change(
        _ changes: [RefChange], _ olds: [Digest?], _ removed: Set<String>, into plan: inout Plan
    ) throws(StoreError) {
        var groups: [String: [[UInt8]: Digest?]] = [:]
        for change in changes {
            guard let group = RefGroup.of(change.name) else { continue }
            groups[group, default: [:]].updateValue(change.new, forKey: RefGroup.remainder(change.name, in: group))
        }
        for (group, all) in groups where all.count <= Self.manyChanges {
            if removed.contains(group) {
                groups[group] = nil
            } else if try !isForTable(group) {
                groups[group] = nil
            }
        }
        var done: Set<String> = []
        for (change, old) in zip(changes, olds) {
            plan.record.append(Operation.Change(ref: change.name, old: old, new: change.new, applied: false))
            let group = RefGroup.of(change.name)
            if let group, let all = groups[group] {
                if done.insert(group).inserted { try rewrite(group, all, into: &plan) }
            } else if let new = change.new {
                plan.steps.append(Step(name: change.name, file: .commit(new)))
            } else {
                var isHidden = false
                if let group, !removed.contains(group), let table = try store.table(of: group)?.table {
                    isHidden = table[RefGroup.remainder(change.name, in: group)] != nil
                }
                plan.steps.append(Step(name: change.name, file: isHidden ? .removed : nil))
            }
        }
    }

    /// Removes every ref of a group; the record leaves out what is changed singly.
    private func remove(_ group: String, besides single: Set<[UInt8]>, into plan: inout Plan) throws(StoreError) {
        if let table = try store.table(of: group)?.digest {
            plan.steps.append(Step(name: group, file: nil))
            plan.record.append(Operation.Change(ref: group, old: table, new: nil, applied: false, isTable: true))
        }
        for (name, file) in try ownFiles(of: group) {
            plan.steps.append(Step(name: name, file: nil))
            if single.contains(Array(name.utf8)) { continue }
            let old: Digest? = if case .commit(let digest) = file { digest } else { nil }
            plan.record.append(Operation.Change(ref: name, old: old, new: nil, applied: false))
        }
    }

    /// Gives a group the refs of another one, but for those that are changed singly.
    private func copy(
        _ origin: String, to group: String, besides single: Set<[UInt8]>, isOriginRemoved: Bool, into plan: inout Plan
    ) throws(StoreError) {
        var files = try ownFiles(of: origin)
        var table = try store.table(of: origin)?.digest
        if files.count > Self.manyFiles {
            // The origin gets the table too, so that its next copy costs little.
            var own = Plan()
            table = try rewrite(origin, [:], into: &own)
            if !isOriginRemoved { plan.steps += own.steps }
            files = []
        }
        if let table {
            plan.steps.append(Step(name: group, file: .table(table)))
            plan.record.append(Operation.Change(ref: group, old: nil, new: table, applied: false, isTable: true))
        }
        for (name, file) in files {
            let copy = group + name.dropFirst(origin.count)
            // A file that only hides a name of the table has no meaning without a table.
            if single.contains(Array(copy.utf8)) || (file == .removed && table == nil) { continue }
            let new: Digest? = if case .commit(let digest) = file { digest } else { nil }
            plan.steps.append(Step(name: copy, file: file))
            plan.record.append(Operation.Change(ref: copy, old: nil, new: new, applied: false))
        }
    }

    /// Puts all refs of a group, as they are after some changes, into a new table: one file instead of many.
    /// Returns that table; nil when there is no ref in it, and so no table.
    @discardableResult
    private func rewrite(
        _ group: String, _ changes: [[UInt8]: Digest?], into plan: inout Plan
    ) throws(StoreError) -> Digest? {
        var commits: [[UInt8]: Digest] = [:]
        for (name, value) in try store.refEntries(prefix: group) {
            commits[RefGroup.remainder(name, in: group)] = try value.get()
        }
        for (name, new) in changes { commits[name] = new }
        let table = commits.isEmpty ? nil : try write(RefTable(commits))
        plan.steps.append(Step(name: group, file: table.map { .table($0) }))
        // Until they are gone, they say the same as the table, or that something is removed which is not in it.
        for (name, _) in try ownFiles(of: group) { plan.steps.append(Step(name: name, file: nil)) }
        return table
    }

    /// Whether a group has so many own files that they belong into a table.
    ///
    /// With a ref that is damaged it has none: what does not concern it can still be changed.
    private func isForTable(_ group: String) throws(StoreError) -> Bool {
        let start = try RefName.fileName(group)
        let files = try storeEntries(of: store.layout.refs, in: store.fileSystem)
        guard files.count(where: { $0.utf8.starts(with: start.utf8) }) > Self.mostFiles else { return false }
        return try store.refEntries(prefix: group).allSatisfy { (try? $0.value.get()) != nil }
    }

    /// The files of a group's refs, by name, without that of its table.
    private func ownFiles(of group: String) throws(StoreError) -> [(name: String, file: RefFile)] {
        var files: [(name: String, file: RefFile)] = []
        for name in try storeEntries(of: store.layout.refs, in: store.fileSystem).compactMap({
            RefName.name(inFile: $0)
        })
        where name != group && name.utf8.starts(with: group.utf8) {
            if let file = try store.refFile(name) { files.append((name, file)) }
        }
        return files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Makes a table durable. It is garbage until a group names it.
    private func write(_ table: RefTable) throws(StoreError) -> Digest {
        let bytes = table.bytes
        guard bytes.count <= RefTable.limit else {
            throw StoreError(
                .invalid, "a group of refs has more names than a table holds (\(RefTable.limit >> 20) MiB)")
        }
        let digest = bytes.withUnsafeBytes { Digest(of: $0) }
        try requireTables()
        let fileSystem = store.fileSystem
        let path = store.layout.table(digest)
        let temporary = store.layout.temporary("ref-\(StoreLayout.uniqueName())")
        do throws(StoreError) {
            try store.writeDurably(bytes, to: temporary)
            try calling("adding a table of refs", path: path) { () throws(SystemCallError) in
                try fileSystem.rename(temporary, to: path)
            }
        } catch {
            try? fileSystem.unlink(temporary)
            throw error
        }
        try FileDescriptor.synchronizeDirectory(store.layout.tables, in: fileSystem)
        return digest
    }

    /// Makes a store one that may have tables: a program that does not know them must not open it any more.
    private func requireTables() throws(StoreError) {
        let fileSystem = store.fileSystem
        let layout = store.layout
        let present = try FileDescriptor.contents(of: layout.format, limit: 4096, in: fileSystem)
        let wanted = Array(ContentStore.tablesFormatText.utf8)
        if present == wanted { return }
        do {
            try fileSystem.makeDirectory(layout.tables, mode: layout.directoryMode)
        } catch {
            guard error.number == EEXIST else { throw StoreError(error, "making a directory", path: layout.tables) }
        }
        let temporary = layout.temporary("ref-\(StoreLayout.uniqueName())")
        try store.writeDurably(wanted, to: temporary)
        try calling("changing the format of the store", path: layout.format) { () throws(SystemCallError) in
            try fileSystem.rename(temporary, to: layout.format)
        }
        try FileDescriptor.synchronizeDirectory(layout.root, in: fileSystem)
    }
}
