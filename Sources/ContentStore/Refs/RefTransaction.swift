import Glibc

/// One change of refs, under the lock of all refs. See step 5 of <doc:Format#Order-of-writing-and-every-crash-window>.
struct RefTransaction: ~Copyable {
    let store: ContentStore
    private let lock: FileDescriptor
    /// The number of the newest operation, once it was looked for: nobody else adds one under the lock.
    private var newest: UInt64?

    static let pendingSuffix = ".pending"

    init(_ store: ContentStore) throws(StoreError) {
        let lock = try FileDescriptor(
            store.layout.refsLock, flags: O_RDWR | O_CREAT, mode: store.layout.fileMode, in: store.fileSystem,
            "opening the lock of the refs")
        _ = try lock.lock(exclusive: true, wait: true)
        self.store = store
        self.lock = lock
    }

    /// Removes what a writer left behind that died with the lock, and completes its record.
    mutating func recover() throws(StoreError) {
        let fileSystem = store.fileSystem
        let layout = store.layout
        let leftovers = try calling("listing temporary files", path: layout.temporary) { () throws(SystemCallError) in
            try fileSystem.entries(of: layout.temporary)
        }
        for name in leftovers where name.hasPrefix("ref-") { try? fileSystem.unlink(layout.temporary(name)) }
        let files = try operationFiles()
        newest = files.compactMap { ContentStore.operationNumber(inFile: $0) }.max() ?? 0
        for file in files
        where file.hasSuffix(RefTransaction.pendingSuffix) && ContentStore.operationNumber(inFile: file) != nil {
            let path = "\(layout.operations)/\(file)"
            do throws(StoreError) {
                try complete(try store.operation(inFile: file))
            } catch {
                // The record was whole when it got its name, so this is damage, and nothing can be learnt from it.
                guard error.code == .damaged else { throw error }
                try? fileSystem.unlink(path)
            }
        }
    }

    /// Does the changes.
    mutating func apply(
        _ changes: [RefChange], groups: [RefGroupChange] = [], operation label: String
    ) throws(StoreError) -> Operation {
        let olds = try check(changes)
        let number = try nextNumber()
        newest = number
        let plan = try plan(changes, olds, groups)
        var operation = Operation(number: number, operation: label, time: .now(), changes: plan.record)
        // Everything that may fail for want of space is done before the first ref changes.
        var phases: [[(path: String, temporary: String?)]] = []
        var written: [WrittenFile] = []
        func discard() {
            for file in phases.joined() {
                if let temporary = file.temporary { try? store.fileSystem.unlink(temporary) }
            }
        }
        do throws(StoreError) {
            for steps in plan.phases {
                phases.append([])
                for step in steps {
                    let path = store.layout.ref(try RefName.fileName(step.name))
                    let temporary = step.file.map { _ in store.layout.temporary("ref-\(StoreLayout.uniqueName())") }
                    phases[phases.count - 1].append((path, temporary))
                    guard let file = step.file, let temporary else { continue }
                    written.append(try WrittenFile(file.sealed(for: step.name), to: temporary, in: store))
                }
            }
            try write(operation, pending: true, after: written)
        } catch {
            discard()
            throw error
        }
        do throws(StoreError) {
            for files in phases {
                for file in files { try change(file.path, to: file.temporary) }
                try FileDescriptor.synchronizeDirectory(store.layout.refs, in: store.fileSystem)
            }
            for index in operation.changes.indices { operation.changes[index].applied = true }
        } catch {
            discard()
            try? complete(operation)
            throw error
        }
        // The refs are changed; if the record cannot be completed now, the next change does it.
        try? finish(operation)
        return operation
    }

    /// The present values, if they are as expected and all that the new ones need is in the store.
    private func check(_ changes: [RefChange]) throws(StoreError) -> [Digest?] {
        var olds: [Digest?] = []
        let epoch = try store.epoch()
        // Nobody else adds or removes refs while this holds the lock. Most names of a large change are new: to list all is cheaper then
        // than to look for each.
        let present = changes.count > 16 ? try Set(store.refNames().map { Array($0.utf8) }) : nil
        // By their bytes, as their files are: strings are equal when they only look the same.
        var names: Set<[UInt8]> = []
        for change in changes {
            let bytes = Array(change.name.utf8)
            guard !RefGroup.isGroup(change.name) else {
                throw StoreError(.invalid, "the name of a ref does not end with its second slash: \(change.name)")
            }
            guard names.insert(bytes).inserted else {
                throw StoreError(.invalid, "ref \(change.name) is to be changed twice at once")
            }
            var old: Digest?
            do throws(StoreError) {
                old = present?.contains(bytes) == false ? nil : try store.ref(change.name, in: epoch)
            } catch {
                // A damaged ref may be replaced or removed by a caller who does not care what it was.
                guard error.code == .damaged, change.expected == nil else { throw error }
            }
            if let expected = change.expected, expected != old {
                let found = old.map { "is \($0.short)" } ?? "does not exist"
                switch expected {
                case .none:
                    throw StoreError(
                        .exists, "ref \(change.name) exists already (it \(found)); choose another name or remove it")
                case .some(let expected):
                    throw StoreError(
                        .conflict,
                        "ref \(change.name) \(found) and not \(expected.short): somebody changed it meanwhile; try again"
                    )
                }
            }
            olds.append(old)
        }
        for change in changes {
            guard let new = change.new, try !store.contains(new), try !store.isInTrash(new) else { continue }
            throw StoreError(
                .notFound,
                "ref \(change.name) is to name \(new.short), which is not in the store; finish the ingest first"
            )
        }
        try store.requireComplete(changes.compactMap(\.new), present: olds.compactMap { $0 })
        return olds
    }

    private func change(_ path: String, to temporary: String?) throws(StoreError) {
        let fileSystem = store.fileSystem
        do {
            if let temporary {
                try fileSystem.rename(temporary, to: path)
            } else {
                try fileSystem.unlink(path)
            }
        } catch {
            // Removing what is not there is no failure.
            if temporary == nil, error.number == ENOENT { return }
            throw StoreError(error, "changing a ref", path: path)
        }
    }

    private func operationFiles() throws(StoreError) -> [String] {
        let store = store
        return try calling("listing the operations", path: store.layout.operations) { () throws(SystemCallError) in
            try store.fileSystem.entries(of: store.layout.operations)
        }
    }

    private func nextNumber() throws(StoreError) -> UInt64 {
        if let newest { return newest + 1 }
        let numbers = try operationFiles().compactMap { ContentStore.operationNumber(inFile: $0) }
        return (numbers.max() ?? 0) + 1
    }

    /// Writes the record of an operation and waits until it and its name are on disk.
    ///
    /// - Parameter others: files that are to be on disk before the record has its name.
    private func write(
        _ operation: Operation, pending: Bool, after others: [WrittenFile] = []
    ) throws(StoreError) {
        let name = ContentStore.operationFileName(operation.number)
        let path = "\(store.layout.operations)/\(name)\(pending ? RefTransaction.pendingSuffix : "")"
        let temporary = store.layout.temporary("ref-\(StoreLayout.uniqueName())")
        let fileSystem = store.fileSystem
        do throws(StoreError) {
            let record = try WrittenFile(
                SealedText.seal(operation.json.canonicalBytes()), to: temporary, in: store)
            for file in others { try file.synchronize() }
            try record.synchronize()
            try calling("adding to the operation log", path: path) { () throws(SystemCallError) in
                try fileSystem.rename(temporary, to: path)
            }
        } catch {
            try? fileSystem.unlink(temporary)
            throw error
        }
        try FileDescriptor.synchronizeDirectory(store.layout.operations, in: fileSystem)
    }

    /// Turns a pending record into a final one that says what came to be, which is looked up.
    private func complete(_ operation: Operation) throws(StoreError) {
        var operation = operation
        for (index, change) in operation.changes.enumerated() {
            do throws(StoreError) {
                let present = change.isTable ? try store.table(of: change.ref)?.digest : try store.ref(change.ref)
                operation.changes[index].applied = present == change.new
            } catch {
                // A ref that is damaged is not what it was to become.
                guard error.code == .damaged else { throw error }
                operation.changes[index].applied = false
            }
        }
        try finish(operation)
    }

    /// Turns a pending record into a final one.
    private func finish(_ operation: Operation) throws(StoreError) {
        try write(operation, pending: false)
        let path = "\(store.layout.operations)/\(ContentStore.operationFileName(operation.number))"
        try? store.fileSystem.unlink(path + RefTransaction.pendingSuffix)
    }
}
