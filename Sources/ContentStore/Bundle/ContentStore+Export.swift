import Glibc

extension ContentStore {
    /// Writes a bundle to a file: commits with all they need, except what the bases need. See <doc:Bundle>.
    ///
    /// The file gets its name when it is whole and on disk; one that had the name before is replaced.
    ///
    /// - Parameters:
    ///   - commits: what is to be sent.
    ///   - bases: commits that the receiver has with all they need. They must be here too.
    ///   - refs: names to suggest to the receiver; each names one of the commits.
    ///   - compression: what all frames are compressed with, or nil to send what is compressed as it is.
    /// - Throws: `notFound` when something of a commit or base is not here, `damaged` when it cannot be read: no bundle is made then.
    package func exportBundle(
        to path: String, commits: [Digest], excluding bases: [Digest] = [], refs: [String: Digest] = [:],
        compression: Compression? = nil, progress: (BundleProgress) -> Void = { _ in }
    ) throws(StoreError) -> BundleReport {
        let target = path.contains("/") ? path : "./\(path)"
        let directory = target.lastIndex(of: "/").map { String(target[...$0]) } ?? "."
        let spare = "\(target).\(StoreLayout.uniqueName()).part"
        var file = try TemporaryFile(named: spare, in: directory, mode: 0o666, fileSystem: outputFileSystem)
        let raw = file.descriptor.raw
        let system = outputFileSystem
        var position: UInt64 = 0
        let report = try export(commits, bases, refs, compression, progress) { bytes throws(StoreError) in
            try FileDescriptor.write(bytes, to: raw, at: position, path: path, fileSystem: system)
            position += UInt64(bytes.count)
        }
        try file.descriptor.synchronize(dataOnly: false)
        try file.publish(as: target, spare: spare)
        try FileDescriptor.synchronizeDirectory(directory, in: system)
        return report
    }

    /// Writes a bundle to an open descriptor, such as a pipe or standard output. It is not synced and not closed.
    ///
    /// See ``exportBundle(to:commits:excluding:refs:compression:progress:)-(String,_,_,_,_,_)``. What was written before an error is of no
    /// use: a reader refuses it.
    package func exportBundle(
        to descriptor: Int32, commits: [Digest], excluding bases: [Digest] = [], refs: [String: Digest] = [:],
        compression: Compression? = nil, progress: (BundleProgress) -> Void = { _ in }
    ) throws(StoreError) -> BundleReport {
        try export(commits, bases, refs, compression, progress) { bytes throws(StoreError) in
            try BundleStream.write(bytes, to: descriptor)
        }
    }

    private func export(
        _ commits: [Digest], _ bases: [Digest], _ refs: [String: Digest], _ compression: Compression?,
        _ progress: (BundleProgress) -> Void, _ sink: @escaping (UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) -> BundleReport {
        guard !commits.isEmpty else { throw StoreError(.invalid, "a bundle without commits is of no use; name one") }
        // What is collected meanwhile would be missing in the bundle. Nobody collects in a store that cannot be written.
        let lease = isReadOnly ? nil : try self.lease(label: "export a bundle", pins: commits + bases)
        defer { withExtendedLifetime(lease) {} }
        var export = try BundleExport(self, commits: commits, bases: bases, compression: compression)
        let manifest = BundleManifest(commits: commits, bases: bases, refs: refs, objects: export.objects)
        return try export.run(try BundleWriter(manifest, sink: sink), progress: progress)
    }
}
