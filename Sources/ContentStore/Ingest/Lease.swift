import Glibc

/// What a lease keeps from being deleted.
package enum LeaseScope: String, Hashable, Sendable, Codable, CaseIterable {
    /// All that was in the store when it began: for writers, which store nothing again that they saw.
    case everything
    /// What its pins need, and nothing else: for readers that may live for weeks.
    case pins
}

/// What a lease file says.
package struct LeaseDescription: Hashable, Sendable, Codable {
    /// What the holder does, for people.
    package var label: String
    /// The process that holds it.
    package var process: Int32
    package var started: Timestamp
    /// The number of the newest operation when it began; 0 when there was none.
    package var operation: UInt64
    /// Commits or roots of trees that are in use although no ref may name them.
    package var pins: [Digest]
    package var scope: LeaseScope = .everything
    /// The number of the collection that the store had seen when it began. See <doc:Format#Epochs>.
    package var epoch: UInt64 = 0
}

extension LeaseDescription {
    var json: JSONValue {
        .object([
            "epoch": .integer(Int64(clamping: epoch)), "label": .string(label),
            "operation": .integer(Int64(clamping: operation)), "pins": .array(pins.map { JSONValue($0) }),
            "process": .integer(Int64(process)), "scope": .string(scope.rawValue), "time": started.json,
        ])
    }

    init?(json: JSONValue) {
        guard
            let label = json["label"]?.stringValue, let started = Timestamp(json: json["time"]),
            let operation = json["operation"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
            let process = json["process"]?.integerValue.flatMap({ Int32(exactly: $0) }),
            let pins = json["pins"]?.arrayValue?.compactMap(\.digestValue)
        else { return nil }
        self.init(
            label: label, process: process, started: started, operation: operation, pins: pins,
            // What is not understood keeps more.
            scope: json["scope"]?.stringValue.flatMap { LeaseScope(rawValue: $0) } ?? .everything,
            epoch: json["epoch"]?.integerValue.flatMap { UInt64(exactly: $0) } ?? 0)
    }
}

/// Keeps objects from being collected: as long as it lives, and no longer than its process.
package final class Lease: Sendable {
    /// The name of its file: 32 hexadecimal digits.
    let id: String
    private let path: String
    private let file: TemporaryFile

    fileprivate init(_ store: ContentStore, _ description: LeaseDescription) throws(StoreError) {
        let id = StoreLayout.uniqueName()
        let path = "\(store.layout.leases)/\(id)"
        let spare = store.layout.temporary("\(id).lease")
        var file = try TemporaryFile(
            named: spare, in: store.layout.leases, mode: store.layout.fileMode, fileSystem: store.fileSystem)
        guard try file.descriptor.lock(exclusive: true, wait: true) else {
            throw StoreError(.busy, "a lease just made is locked by somebody else", path: path)
        }
        try SealedText.seal(description.json.canonicalBytes()).withBytes { bytes throws(StoreError) in
            try file.descriptor.write(bytes, at: 0)
        }
        try file.publish(as: path, spare: spare)
        self.id = id
        self.path = path
        self.file = file
    }

    deinit {
        try? file.descriptor.fileSystem.unlink(path)
    }
}

extension ContentStore {
    /// Takes a lease.
    ///
    /// With the scope `everything` nothing that is in the store now, or is written from now on, is deleted while it lives. With the
    /// scope `pins` that holds for what the pins reach; it is to be taken before the pins are looked up (or they are to be looked up
    /// again afterwards), since what was collected before it is not brought back.
    package func lease(
        label: String, pins: [Digest] = [], scope: LeaseScope = .everything
    ) throws(StoreError) -> Lease {
        try requireWritable(for: "a lease")
        let numbers = try operationFileNames().compactMap { ContentStore.operationNumber(inFile: $0) }
        let description = LeaseDescription(
            label: label, process: getpid(), started: .now(), operation: numbers.max() ?? 0, pins: pins,
            scope: scope, epoch: try epoch().number ?? 0)
        var attempt = 0
        while true {
            attempt += 1
            do throws(StoreError) {
                return try Lease(self, description)
            } catch {
                // Without unnamed files another process may sweep the file away before it is a lease.
                guard error.code == .notFound, attempt < 10 else { throw error }
            }
        }
    }

    /// The leases that living processes hold.
    package func leases() throws(StoreError) -> [LeaseDescription] {
        try liveLeases().map(\.description).sorted { $0.started < $1.started }
    }

    /// The leases that living processes hold, by their names. One that cannot be read counts as one that keeps everything.
    func liveLeases() throws(StoreError) -> [(id: String, description: LeaseDescription)] {
        var leases: [(id: String, description: LeaseDescription)] = []
        for id in try leaseNames() {
            let path = "\(layout.leases)/\(id)"
            guard try isHeld(path) else { continue }
            do throws(StoreError) {
                let bytes = try FileDescriptor.contents(of: path, limit: SealedText.limit, in: fileSystem)
                guard
                    let text = SealedText.open(bytes), let json = JSONParser.parse(text),
                    let lease = LeaseDescription(json: json)
                else { throw StoreError(.damaged, "a lease cannot be read", path: path) }
                leases.append((id, lease))
            } catch {
                switch error.code {
                // Given up since.
                case .notFound: continue
                case .damaged:
                    let unknown = Timestamp(seconds: 0)
                    leases.append(
                        (
                            id,
                            LeaseDescription(
                                label: "(unreadable lease)", process: 0, started: unknown, operation: 0, pins: [])
                        ))
                default: throw error
                }
            }
        }
        return leases
    }

    /// Deletes leases of the dead, and what they left in `tmp/`.
    func sweep() throws(StoreError) {
        // Files first: whoever made one had its lease before, so a lease that is not there afterwards is over.
        let files = try names(of: layout.temporary)
        var live: Set<String> = []
        for id in try leaseNames() {
            let path = "\(layout.leases)/\(id)"
            if try isHeld(path) { live.insert(id) } else { try? fileSystem.unlink(path) }
        }
        if files.contains(where: { $0.hasPrefix(CatalogKeeper.temporaryPrefix) }) { keeper.sweep(files) }
        for file in files {
            guard let id = file.split(separator: ".").first, StoreLayout.isUniqueName(id), !live.contains(String(id))
            else { continue }
            try? fileSystem.unlink(layout.temporary(file))
        }
    }

    /// The files of leases; others are none of the store's.
    private func leaseNames() throws(StoreError) -> [String] {
        try names(of: layout.leases).filter { StoreLayout.isUniqueName($0) }
    }

    private func names(of directory: String) throws(StoreError) -> [String] {
        try storeEntries(of: directory, in: fileSystem)
    }

    /// Whether somebody holds the lock of a file; false when it is gone.
    private func isHeld(_ path: String) throws(StoreError) -> Bool {
        do throws(StoreError) {
            let file = try FileDescriptor(path, flags: O_RDONLY, in: fileSystem, "opening a lease")
            return try !file.lock(exclusive: true, wait: false)
        } catch {
            guard error.code == .notFound else { throw error }
            return false
        }
    }
}
