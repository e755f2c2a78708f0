import ContentStore

/// Trees and blobs of a commit by the role that the lineage gives them.
extension Commit {
    private static let diskPrefix = "disk/"
    private static let ramPrefix = "ram/"

    /// The kind of step, or nil for one that this version does not know.
    package var edge: EdgeKind? { EdgeKind(rawValue: kind) }

    /// Disk trees by disk id.
    package var disks: [String: TreeRoot] {
        get { trees(under: Self.diskPrefix) }
        set { replaceTrees(under: Self.diskPrefix, with: newValue) }
    }

    /// Memory trees by QEMU's name of the RAM block.
    package var ram: [String: TreeRoot] {
        get { trees(under: Self.ramPrefix) }
        set { replaceTrees(under: Self.ramPrefix, with: newValue) }
    }

    /// The migration stream without its pages.
    package var state: Digest? {
        get { blobs["state"] }
        set { blobs["state"] = newValue }
    }

    /// JSON of the machine's configuration.
    package var machine: Digest? {
        get { blobs["machine"] }
        set { blobs["machine"] = newValue }
    }

    package var kernel: Digest? {
        get { blobs["boot/kernel"] }
        set { blobs["boot/kernel"] = newValue }
    }

    package var initrd: Digest? {
        get { blobs["boot/initrd"] }
        set { blobs["boot/initrd"] = newValue }
    }

    /// JSON of what the guest saw of its CPU when it booted.
    package var fingerprint: Digest? {
        get { blobs["cpu"] }
        set { blobs["cpu"] = newValue }
    }

    /// The JSON report of an experiment.
    package var report: Digest? {
        get { blobs["report"] }
        set { blobs["report"] = newValue }
    }

    /// The JSON findings that a conversion started from.
    package var findings: Digest? {
        get { blobs["findings"] }
        set { blobs["findings"] = newValue }
    }

    /// The JSON list of everything that a conversion changed.
    package var changes: Digest? {
        get { blobs["changes"] }
        set { blobs["changes"] = newValue }
    }

    /// Bytes of all disks together, as the guest sees them.
    package var diskSize: UInt64 {
        disks.values.reduce(0) { $0 &+ $1.length }
    }

    /// A commit of kind `edge` that starts from this one's machine, boot files and disks, and whose guest knows the
    /// same CPU.
    package func successor(_ edge: EdgeKind, of digest: Digest, message: String) -> Commit {
        var next = Commit(kind: edge.rawValue, parents: [digest], message: message)
        next.disks = disks
        next.machine = machine
        next.kernel = kernel
        next.initrd = initrd
        next.fingerprint = fingerprint
        return next
    }

    private func trees(under prefix: String) -> [String: TreeRoot] {
        var found: [String: TreeRoot] = [:]
        for (name, root) in trees where name.hasPrefix(prefix) {
            found[String(name.dropFirst(prefix.count))] = root
        }
        return found
    }

    private mutating func replaceTrees(under prefix: String, with roots: [String: TreeRoot]) {
        for name in trees.keys where name.hasPrefix(prefix) { trees[name] = nil }
        for (name, root) in roots { trees[prefix + name] = root }
    }
}
