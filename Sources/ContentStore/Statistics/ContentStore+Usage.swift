extension ContentStore {
    /// What groups of commits need, what only one of them needs, and what they share.
    ///
    /// It reads the nodes of all trees and the indexes, and no leaves. Memory: some 4 bytes for each object of the store, whatever the number
    /// of groups; time: a look-up in the indexes for each leaf that differs within a group. Commits that are there no more, or only in part,
    /// are counted as far as they go, and ``StoreUsage/missing`` tells.
    ///
    /// - Parameters:
    ///   - groups: at most 65,534.
    ///   - progress: called after each group with the number of groups done.
    package func usage(
        of groups: [(name: String, commits: [Digest])], progress: (Int) -> Void = { _ in }
    ) throws(StoreError) -> StoreUsage {
        guard groups.count < Int(UInt16.max) else {
            throw StoreError(.invalid, "the usage of \(groups.count) groups cannot be told apart; ask for fewer")
        }
        let catalog = try keeper.reload()
        let numbers = ObjectNumbers(catalog)
        let shares = FrameShares(numbers)
        var usage = StoreUsage()
        for id in catalog.packs {
            guard let pack = try? PackFile(layout.pack(id), in: fileSystem) else { continue }
            usage.packBytes += pack.size
        }
        /// Who needs an object: nobody, one group (its position + 1), or several.
        var owners = [UInt16](repeating: 0, count: numbers.count)
        let several = UInt16.max
        var exclusive = [UsageCounter](repeating: UsageCounter(), count: groups.count)
        var total = UsageCounter()
        var shared = UsageCounter()
        var walk = ClosureWalk(self, numbers)
        walk.isTolerant = true
        for (position, group) in groups.enumerated() {
            var result = StoreUsage.Group(name: group.name)
            var counter = UsageCounter()
            let owner = UInt16(position + 1)
            for commit in group.commits {
                let size = try walk.add(commit) { found in
                    let share = shares.share(of: found.number)
                    counter.add(found.length, share)
                    switch owners[found.number] {
                    case 0:
                        owners[found.number] = owner
                        exclusive[position].add(found.length, share)
                        total.add(found.length, share)
                    case several:
                        break
                    case let first:
                        owners[found.number] = several
                        exclusive[Int(first) - 1].remove(found.length, share)
                        shared.add(found.length, share)
                    }
                }
                result.commits += 1
                result.virtualBytes &+= size.virtual
                result.logicalBytes &+= size.data
            }
            result.total = counter.amount
            usage.groups.append(result)
            walk.restart()
            progress(position + 1)
        }
        for position in groups.indices { usage.groups[position].exclusive = exclusive[position].amount }
        usage.shared = shared.amount
        usage.total = total.amount
        usage.missing = walk.missing
        return usage
    }

    /// What commits need together. See ``usage(of:progress:)-(_,_)``.
    package func usage(of commits: [Digest]) throws(StoreError) -> StoreUsage {
        try usage(of: [(name: "", commits: commits)])
    }
}
