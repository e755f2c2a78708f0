import Glibc

/// The directory of an overlay: which layers are in it, and its lock.
enum OverlayDirectory {
    /// Opens a directory and locks it for this descriptor alone.
    static func lock(_ path: String) throws(BlockServiceError) -> CInt {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("opening the directory \(path)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            defer { close(descriptor) }
            if errno == EWOULDBLOCK {
                throw BlockServiceError(
                    .inUse, "the overlay \(path) is open elsewhere; stop the server or command that uses it")
            }
            throw .system("locking the directory \(path)")
        }
        return descriptor
    }

    /// Gives up the lock and closes the descriptor.
    static func unlock(_ descriptor: CInt) {
        // Closing alone leaves the lock to a child that another thread has just forked, until that runs its program.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    static func synchronize(_ descriptor: CInt, _ path: String) throws(BlockServiceError) {
        guard fsync(descriptor) == 0 else { throw .system("synchronizing the directory \(path)") }
    }

    /// Makes the name of a directory durable.
    static func synchronizeParent(of path: String) throws(BlockServiceError) {
        let descriptor = open(path + "/..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("opening the directory above \(path)") }
        defer { close(descriptor) }
        try synchronize(descriptor, path + "/..")
    }

    private static func names(in path: String) throws(BlockServiceError) -> [String] {
        guard let directory = opendir(path) else { throw .system("listing the directory \(path)") }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Opens the layers, the lowest first, and deletes what is below it or was not completed.
    static func layers(in path: String) throws(BlockServiceError) -> [OverlayLayer] {
        var numbers: [Int] = []
        for name in try names(in: path) {
            if let number = OverlayLayer.number(of: name) {
                numbers.append(number)
            } else if name.hasSuffix(".new"), OverlayLayer.number(of: String(name.dropLast(4))) != nil {
                unlink(path + "/" + name)
            } else {
                throw BlockServiceError(
                    .invalid, "the directory \(path) is not an overlay's: it holds \(name); name another directory")
            }
        }
        var layers: [OverlayLayer] = []
        for number in numbers.sorted(by: >) {
            if layers.last?.header.base.isEmpty == false {
                // Part of the base by now.
                unlink(OverlayLayer.path(number, in: path))
                continue
            }
            let layer = try OverlayLayer.open(number, in: path)
            if let upper = layers.last, upper.number != number + 1 { throw missing(path) }
            layers.append(layer)
        }
        if let lowest = layers.last, lowest.header.base.isEmpty { throw missing(path) }
        return layers.reversed()
    }

    /// The header of the lowest layer that is in use; nil when there are no layers. Opens and deletes nothing.
    static func lowestHeader(in path: String) throws(BlockServiceError) -> OverlayHeader? {
        let numbers = try names(in: path).compactMap(OverlayLayer.number(of:)).sorted(by: >)
        for number in numbers {
            let file = try OverlayFile(OverlayLayer.path(number, in: path), flags: O_RDONLY)
            let header = try OverlayHeader(parsing: file.bytes(OverlayHeader.size, at: 0), path: file.path)
            if !header.base.isEmpty { return header }
        }
        if numbers.isEmpty { return nil }
        throw missing(path)
    }

    /// Deletes all layers, the uppermost first: what is left after a crash is an overlay too, of an earlier time.
    static func removeAll(in path: String) throws(BlockServiceError) {
        for name in try names(in: path).sorted(by: >) where name.hasPrefix("layer-") {
            guard unlink(path + "/" + name) == 0 else { throw .system("removing \(path)/\(name)") }
        }
    }

    private static func missing(_ path: String) -> BlockServiceError {
        BlockServiceError(
            .damaged, "a layer of the overlay \(path) is missing; throw the overlay away, or restore it from a copy")
    }
}
