import Glibc

extension ContentStore {
    /// Changes refs, and records that in the operation log.
    ///
    /// If one of the refs is not what is expected, none is changed, and the error is `exists` (it was expected not to exist) or
    /// `conflict`. Each ref is changed atomically; a crash may leave some changed and others not, which the log shows. The changes are
    /// durable when this returns.
    ///
    /// - Parameter groups: changes of all refs of a group, done before the others.
    @discardableResult
    package func updateRefs(
        _ changes: [RefChange], groups: [RefGroupChange] = [], operation: String
    ) throws(StoreError) -> Operation {
        try requireWritable(for: "a change of refs")
        var transaction = try RefTransaction(self)
        try transaction.recover()
        return try transaction.apply(changes, groups: groups, operation: operation)
    }

    /// The operation log, oldest first. A damaged entry is left out; ``verify(level:progress:)`` reports it.
    package func operations() throws(StoreError) -> [Operation] {
        var operations: [UInt64: Operation] = [:]
        // A final record comes before a pending one of the same number.
        for file in try operationFileNames().sorted() {
            do throws(StoreError) {
                let operation = try operation(inFile: file)
                if operations[operation.number] == nil { operations[operation.number] = try expanded(operation) }
            } catch {
                // Not found: completed between listing and reading.
                guard error.code == .damaged || error.code == .notFound else { throw error }
            }
        }
        return operations.values.sorted { $0.number < $1.number }
    }

    /// The files of the operation log.
    func operationFileNames() throws(StoreError) -> [String] {
        try storeEntries(of: layout.operations, in: fileSystem).filter {
            ContentStore.operationNumber(inFile: $0) != nil
        }
    }

    /// Reads one entry of the log.
    func operation(inFile file: String) throws(StoreError) -> Operation {
        let path = "\(layout.operations)/\(file)"
        let bytes = try FileDescriptor.contents(of: path, limit: SealedText.limit, in: fileSystem)
        guard
            let text = SealedText.open(bytes), let json = JSONParser.parse(text),
            let operation = Operation(json: json), operation.number == ContentStore.operationNumber(inFile: file)
        else {
            throw StoreError(
                .damaged,
                "an entry of the operation log is damaged, so what it did cannot be undone; delete its file to go on "
                    + "without it", path: path)
        }
        return operation
    }

    static func operationFileName(_ number: UInt64) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 20 - text.count)) + text
    }

    /// The number in the name of a final or pending entry.
    static func operationNumber(inFile file: String) -> UInt64? {
        var rest = file.utf8[...]
        var number: UInt64 = 0
        for _ in 0..<20 {
            guard let digit = rest.popFirst(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else {
                return nil
            }
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, isTooLargeToo) = product.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
            guard !isTooLarge, !isTooLargeToo else { return nil }
            number = sum
        }
        let isName = rest.isEmpty || rest.elementsEqual(RefTransaction.pendingSuffix.utf8)
        return isName && number < UInt64.max ? number : nil
    }

    /// Writes a new file and waits until its bytes are on disk. The name is not yet.
    func writeDurably(_ bytes: [UInt8], to path: String) throws(StoreError) {
        try WrittenFile(bytes, to: path, in: self).synchronize()
    }
}
