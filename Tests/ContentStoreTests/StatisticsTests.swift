import ContentStore
import Testing

/// What groups of commits take, against sets of objects and the sizes of packs.
@Suite struct StatisticsTests {
    @Test func groupsAddUp() throws {
        let lineage = try Lineage(500)
        let store = lineage.store
        let usage = try store.usage(of: [("vm", lineage.commits), ("other", [lineage.other])])
        #expect(usage.groups.map(\.name) == ["vm", "other"])
        #expect(usage.groups.map(\.commits) == [4, 1])
        #expect(usage.missing == 0)
        let (vm, other) = (usage.groups[0], usage.groups[1])
        for group in [vm, other] {
            #expect(group.total.objects == group.exclusive.objects + usage.shared.objects)
            #expect(group.total.bytes == group.exclusive.bytes + usage.shared.bytes)
            #expect(group.total.storedBytes.distance(to: group.exclusive.storedBytes + usage.shared.storedBytes) < 3)
        }
        #expect(usage.total.objects == vm.exclusive.objects + other.exclusive.objects + usage.shared.objects)
        // Everything in the store is needed, but for the tops of packs.
        #expect(usage.total.objects == (try store.statistics().objects))
        let packs = try store.statistics()
        #expect(usage.packBytes == packs.packBytes)
        #expect(usage.unneededBytes < UInt64(packs.packs * 56) + 8 * packs.objects + 64)
        // The trees, by hand.
        let sizes = try lineage.commits.map { commit in
            try store.commit(commit).trees.values.reduce(0) { $0 + $1.length }
        }
        #expect(vm.virtualBytes == sizes.reduce(0, +) + 4 * (3000 + 160_000))
        #expect(vm.logicalBytes < vm.virtualBytes && vm.logicalBytes > vm.total.bytes)
        // The chunks of the other VM that a snapshot has too; its node and commit are its own.
        func chunks(_ commits: [Digest]) throws -> Set<Digest> {
            var chunks: Set<Digest> = []
            for commit in commits {
                guard let tree = try store.commit(commit).trees["vda"] else { continue }
                let bytes = try store.bytes(tree)
                for start in stride(from: 0, to: bytes.count, by: 65_536) {
                    let chunk = Array(bytes[start..<min(start + 65_536, bytes.count)])
                    chunks.insert(Digest(of: chunk + [UInt8](repeating: 0, count: 65_536 - chunk.count)))
                }
            }
            chunks.remove(Digest(of: [UInt8](repeating: 0, count: 65_536)))
            return chunks
        }
        let common = try chunks(lineage.commits).intersection(chunks([lineage.other])).count
        #expect(common > 3)
        #expect(usage.shared.objects == UInt64(common))
        #expect(usage.shared.bytes == UInt64(common * 65_536))
    }

    @Test func whatOnlyOneGroupNeedsIsFreedWithoutIt() throws {
        let lineage = try Lineage(501)
        let store = lineage.store
        let both = try store.usage(of: [("vm", lineage.commits), ("other", [lineage.other])])
        let alone = try store.usage(of: [lineage.other])
        #expect(both.total.bytes - alone.total.bytes == both.groups[0].exclusive.bytes)
        #expect(both.total.objects - alone.total.objects == both.groups[0].exclusive.objects)
        // The same group twice has nothing of its own.
        let twice = try store.usage(of: [("a", lineage.commits), ("b", lineage.commits)])
        #expect(twice.groups.allSatisfy { $0.exclusive == StoreUsage.Amount() })
        #expect(twice.shared == twice.total)
        #expect(twice.total == twice.groups[0].total)
        #expect(try store.usage(of: []).total == StoreUsage.Amount())
    }

    @Test func framesOfPagesAreShared() throws {
        let fixture = try Fixture()
        var random = Random(502)
        // 32 pages that do not compress: two frames of 16.
        try fixture.store.add("a", random.bytes(32 * 4096), kind: .memory)
        try fixture.store.add("b", random.bytes(8 * 4096), kind: .memory)
        let refs = try fixture.store.refs()
        let usage = try fixture.store.usage(of: refs.map { ($0.name, [$0.digest]) })
        for (group, (pages, frames)) in zip(usage.groups, [(32, 2), (8, 1)]) {
            let pages = UInt64(pages * 4132 + frames * 24)
            // And a node and a commit.
            #expect(group.total.storedBytes > pages && group.total.storedBytes < pages + 2200)
        }
    }

    @Test func damageIsCountedAndNoError() throws {
        let lineage = try Lineage(503)
        let pack = try #require(
            try lineage.store.files("packs").max { try contents(of: $0).count < contents(of: $1).count })
        TemporaryDirectory.remove(pack)
        let usage = try lineage.fixture.reopened().usage(of: lineage.commits + [Digest(of: [9])])
        #expect(usage.missing > 1)
        #expect(usage.total.objects > 0)
    }
}
