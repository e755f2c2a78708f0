/// What commits take in a store. See ``ContentStore/usage(of:progress:)``.
package struct StoreUsage: Hashable, Sendable, Codable {
    /// Objects, each counted once.
    package struct Amount: Hashable, Sendable, Codable {
        package var objects: UInt64 = 0
        /// Their plain bytes.
        package var bytes: UInt64 = 0
        /// Their bytes in packs, with headers: compressed.
        package var storedBytes: UInt64 = 0

        package init() {}
    }

    /// Commits that belong together, such as a VM with its snapshots.
    package struct Group: Hashable, Sendable, Codable {
        package var name: String
        /// The number of commits asked for.
        package var commits = 0
        /// The sum of the lengths of their trees and blobs, zeros and repetitions too.
        package var virtualBytes: UInt64 = 0
        /// What is not zero of it; what several commits have counts for each.
        package var logicalBytes: UInt64 = 0
        /// All that the group needs.
        package var total = Amount()
        /// What no other group needs: what would be freed without it.
        package var exclusive = Amount()

        package init(name: String) {
            self.name = name
        }
    }

    package var groups: [Group] = []
    /// What more than one group needs.
    package var shared = Amount()
    /// What all groups need together.
    package var total = Amount()
    /// The size of all packs, with what no group needs.
    package var packBytes: UInt64 = 0
    /// Objects that are needed and missing or damaged; what only they refer to is not counted. `store verify` tells more.
    package var missing: UInt64 = 0

    package init() {}

    /// The sum of what the groups hold, as they see it.
    package var logicalBytes: UInt64 { groups.reduce(0) { $0 &+ $1.logicalBytes } }
    /// What of the packs no group needs, with the packs' own tables.
    package var unneededBytes: UInt64 { packBytes - min(packBytes, total.storedBytes) }
}

/// Sums that shares of frames go into without being rounded.
struct UsageCounter {
    private var objects: UInt64 = 0
    private var bytes: UInt64 = 0
    private var shares: UInt64 = 0

    mutating func add(_ length: Int, _ share: UInt64) {
        objects &+= 1
        bytes &+= UInt64(length)
        shares &+= share
    }

    mutating func remove(_ length: Int, _ share: UInt64) {
        objects &-= 1
        bytes &-= UInt64(length)
        shares &-= share
    }

    var amount: StoreUsage.Amount {
        var amount = StoreUsage.Amount()
        amount.objects = objects
        amount.bytes = bytes
        amount.storedBytes = (shares &+ FrameShares.unit / 2) / FrameShares.unit
        return amount
    }
}
