/// Where in the store the walk is, for findings.
struct VerifyPlace {
    var ref: String
    var place: String
}

extension Verifier {
    /// Walks from every ref to all that it needs.
    mutating func verifyRefs() throws(StoreError) {
        for (name, value) in refs {
            tell()
            switch value {
            case .success(let digest):
                report.refs += 1
                try verifyHistory(digest, VerifyPlace(ref: name, place: "commit"))
            case .failure(let error):
                add(Damage(kind: .ref, ref: name, message: error.description))
            }
        }
        tell()
    }

    /// The commit of a ref with all it needs, and the commit objects of its ancestors.
    private mutating func verifyHistory(_ digest: Digest, _ place: VerifyPlace) throws(StoreError) {
        guard let commit = try verifyCommit(digest, place) else { return }
        for (name, root) in commit.trees.sorted(by: { $0.key < $1.key }) {
            guard let top = root.digest else { continue }
            let shape = TreeShape(root.kind)
            _ = try verifyNode(
                top, shape, shape.topLevel(root.length), 0, VerifyPlace(ref: place.ref, place: "tree \(name)"))
        }
        for (name, blob) in commit.blobs.sorted(by: { $0.key < $1.key }) {
            try verifyBlob(blob, VerifyPlace(ref: place.ref, place: "blob \(name)"))
        }
        var seen: Set<Digest> = [digest]
        var rest = commit.parents
        while let ancestor = rest.popLast() {
            guard seen.insert(ancestor).inserted else { continue }
            let found = try verifyCommit(ancestor, VerifyPlace(ref: place.ref, place: "ancestor \(ancestor.short)"))
            rest += found?.parents ?? []
        }
    }

    private mutating func verifyCommit(_ digest: Digest, _ place: VerifyPlace) throws(StoreError) -> Commit? {
        do throws(StoreError) {
            try checkPlaces(digest)
            let commit = try store.commit(digest)
            if soundBlobs.insert(digest).inserted, level == .structure { report.objects += 1 }
            return commit
        } catch {
            try note(error, digest, place)
            return nil
        }
    }

    private mutating func verifyBlob(_ digest: Digest, _ place: VerifyPlace) throws(StoreError) {
        guard !soundBlobs.contains(digest) else { return }
        do throws(StoreError) {
            try checkPlaces(digest)
            _ = try store.blob(digest)
            if level == .structure { report.objects += 1 }
            soundBlobs.insert(digest)
        } catch {
            try note(error, digest, place)
        }
    }

    /// Checks a node with all below it; false when something is wrong there, so that other refs hear of it too.
    ///
    /// - Parameter first: the first leaf that the node covers.
    private mutating func verifyNode(
        _ digest: Digest, _ shape: TreeShape, _ level: Int, _ first: UInt64, _ place: VerifyPlace
    ) throws(StoreError) -> Bool {
        if soundNodes.contains(digest) { return true }
        let node: TreeNode
        do throws(StoreError) {
            try checkPlaces(digest)
            node = try store.node(digest, shape: shape, level: level)
        } catch {
            try note(error, digest, place.at(first, shape))
            return false
        }
        if self.level == .structure { report.objects += 1 }
        var isSound = true
        for slot in 0..<shape.fanOut {
            guard let child = node.child(slot) else { continue }
            let leaf = first &+ UInt64(slot) &* shape.leavesPerChild(level)
            let isChildSound =
                level == 0
                ? verifyLeaf(child, place.at(leaf, shape))
                : try verifyNode(child, shape, level - 1, leaf, place)
            isSound = isSound && isChildSound
        }
        if isSound { soundNodes.insert(digest) }
        return isSound
    }

    /// Whether some pack has the leaf, in a frame that was not found bad.
    private mutating func verifyLeaf(_ digest: Digest, _ place: VerifyPlace) -> Bool {
        if level == .structure { report.objects += 1 }
        let places = catalog.places(of: digest)
        if hasSoundPlace(digest, places) { return true }
        add(
            Damage(
                kind: places.isEmpty ? .missing : .object, ref: place.ref, object: digest, place: place.place,
                pack: places.first?.pack, offset: places.first.map { UInt64($0.offset) },
                message: places.isEmpty ? "no pack has the object" : "the only copy of the object is damaged"))
        return false
    }

    private func hasSoundPlace(_ digest: Digest, _ places: [ObjectPlace]) -> Bool {
        places.contains { candidate in
            let key = ContentStore.FrameKey(pack: candidate.pack, offset: candidate.offset)
            return !badFrames.contains(key) && badObjects[key]?.contains(digest) != true
        }
    }

    /// Notes where an object is that could not be read, or the parts of one.
    private mutating func suspect(_ digest: Digest) {
        for place in catalog.places(of: digest) { suspects.insert(place.pack) }
        guard let list = try? store.object(digest), list.isIndirect,
            let parts = PartList(parsing: list.bytes.span.bytes)?.parts
        else { return }
        for part in parts {
            for place in catalog.places(of: part) { suspects.insert(place.pack) }
        }
    }

    /// Throws when all copies of an object were found bad, for those that are read whole: reading may rely on checksums.
    private func checkPlaces(_ digest: Digest) throws(StoreError) {
        let places = catalog.places(of: digest)
        guard !badObjects.isEmpty, !places.isEmpty, !hasSoundPlace(digest, places) else { return }
        throw StoreError(.damaged, "the only copy of the object is damaged", path: store.path)
    }

    /// Puts an error about an object into the report; failures of the system are thrown on.
    private mutating func note(_ error: StoreError, _ digest: Digest, _ place: VerifyPlace) throws(StoreError) {
        switch error.code {
        case .notFound, .damaged, .io:
            let location = catalog.places(of: digest).first
            suspect(digest)
            add(
                Damage(
                    kind: error.code == .notFound ? .missing : .object, ref: place.ref, object: digest,
                    place: place.place, pack: location?.pack, offset: location.map { UInt64($0.offset) },
                    message: error.description))
        default:
            throw error
        }
    }
}

extension VerifyPlace {
    /// The same tree, at a leaf.
    func at(_ leaf: UInt64, _ shape: TreeShape) -> VerifyPlace {
        VerifyPlace(ref: ref, place: "\(place) at \(leaf << shape.leafBits)")
    }
}
