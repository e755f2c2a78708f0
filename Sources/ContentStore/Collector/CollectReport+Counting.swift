extension CollectReport {
    /// What is needed.
    mutating func count(_ roots: Roots, _ marker: Marker) {
        refs = roots.refs.count
        operations = roots.operationCount
        pins = roots.pins.count
        missingObjects = UInt64(marker.missing.count)
        liveObjects = marker.live.liveCount
    }

    /// What there is.
    mutating func count(_ plan: CollectPlan) {
        before = PackCount(packs: plan.uses.count, bytes: plan.uses.reduce(0) { $0 + $1.size })
        liveBytes = plan.uses.reduce(0) { $0 + $1.liveBytes }
        deadBytes = before.bytes - liveBytes
        deadObjects = plan.uses.reduce(0) { $0 + UInt64($1.entries - $1.live) }
    }

    /// What is left, as far as it is known without looking again.
    mutating func complete(_ catalog: Catalog, _ plan: CollectPlan) {
        after = PackCount()
        unusedBytes = 0
        let uses = Dictionary(uniqueKeysWithValues: plan.uses.map { ($0.id, $0) })
        for index in catalog.indexes {
            for (pack, isLive) in zip(index.file.packs, index.isLive) where isLive {
                after.add(pack.size)
                unusedBytes += uses[pack.id]?.deadBytes ?? 0
            }
        }
    }

    /// Notes that a pack of the trash waits for leases.
    mutating func wait(_ size: UInt64, _ leases: [LeaseDescription]) {
        waitingPacks.add(size)
        for lease in leases {
            if let index = waiting.firstIndex(where: {
                $0.label == lease.label && $0.process == lease.process && $0.started == lease.started
            }) {
                waiting[index].trash.add(size)
            } else {
                waiting.append(
                    Waiting(
                        label: lease.label, process: lease.process, started: lease.started,
                        trash: PackCount(packs: 1, bytes: size)))
            }
        }
    }
}
