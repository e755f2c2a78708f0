/// What forks of a machine cost.
package struct ForkMeasurement: Sendable {
    /// Forks that were alive at the same time.
    package let count: Int
    /// Pages that the parent wrote before each fork.
    package let dirtiedPages: Int
    /// Time of a fork on the host's clock: the mean, and the one in the middle.
    package let secondsPerFork: Double
    package let medianSecondsPerFork: Double
    /// Mean time of the first write to a page after a fork, which copies it; 0 when `dirtiedPages` is.
    package let secondsPerCopy: Double
    /// Mean time that a fork took to be run; 0 when none was.
    package let secondsPerRun: Double
    /// Mean time to let go of a fork.
    package let secondsPerRelease: Double
    /// Resident memory of the process that each live fork added, everything included.
    package let bytesPerFork: Double
    /// Written pages that each live fork added, with the 4096 bytes of each in `bytesPerFork`.
    package let pagesPerFork: Double
    /// Written pages that the states still hold when the forks are gone, apart from those that there were before.
    package let leftPages: Int
    /// Resident memory of the process that was not given back.
    package let leftBytes: Int
}

extension Machine {
    /// Forks the machine again and again, keeps all the forks, and then lets them go. The machine itself goes on only in that pages are
    /// written, with what they hold already.
    ///
    /// - Parameters:
    ///   - count: how many forks.
    ///   - dirtyPages: how many pages of RAM the machine writes before each fork; each fork keeps them as they were.
    ///   - run: virtual nanoseconds that each fork runs once it is there, idle time skipped.
    package func measureForks(count: Int, dirtyPages: Int = 0, run: UInt64 = 0) throws -> ForkMeasurement {
        let clock = ContinuousClock()
        let places = pagesToDirty(dirtyPages)
        var times: [Double] = []
        times.reserveCapacity(count)
        var forks: [Machine] = []
        forks.reserveCapacity(count)
        var copying = 0.0
        var running = 0.0
        let pagesBefore = base.census.pageCount
        HostMemory.giveBackUnused()
        let residentBefore = HostMemory.residentBytes
        for _ in 0..<count {
            let start = clock.now
            for place in places { try writePhysical(place, try readPhysical(place, count: 1)) }
            let middle = clock.now
            let fork = fork()
            let end = clock.now
            copying += Self.seconds(middle - start)
            times.append(Self.seconds(end - middle))
            forks.append(fork)
            guard run > 0 else { continue }
            fork.runIdle(for: run)
            running += Self.seconds(clock.now - end)
        }
        let bytes = HostMemory.residentBytes - residentBefore
        let pages = base.census.pageCount - pagesBefore
        let start = clock.now
        forks.removeAll()
        let releasing = Self.seconds(clock.now - start)
        HostMemory.giveBackUnused()
        let left = HostMemory.residentBytes - residentBefore
        let total = Double(max(count, 1))
        return ForkMeasurement(
            count: count, dirtiedPages: places.count, secondsPerFork: times.reduce(0, +) / total,
            medianSecondsPerFork: times.sorted().dropFirst(times.count / 2).first ?? 0,
            secondsPerCopy: places.isEmpty ? 0 : copying / total / Double(places.count),
            secondsPerRun: running / total, secondsPerRelease: releasing / total,
            bytesPerFork: Double(bytes) / total, pagesPerFork: Double(pages) / total,
            leftPages: base.census.pageCount - pagesBefore, leftBytes: left)
    }

    /// Runs for a span of virtual time, without waiting for anything.
    private func runIdle(for nanoseconds: UInt64) {
        let limit = virtualTime &+ nanoseconds
        while virtualTime < limit {
            switch runAll(until: limit) {
            case .budget: continue
            case .idle(let until): skipIdleTime(to: min(until, limit))
            default: return
            }
        }
    }

    /// Physical addresses of pages in the largest region, far enough from each other to lie in different nodes of the page tree where
    /// there is room.
    private func pagesToDirty(_ count: Int) -> [UInt64] {
        guard count > 0, let region = base.regions.filter(\.isWritable).max(by: { $0.byteCount < $1.byteCount })
        else { return [] }
        let pages = region.byteCount / 4096
        let number = min(UInt64(count), pages)
        return (0..<number).map { region.start + $0 * (pages / number) * 4096 }
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}
