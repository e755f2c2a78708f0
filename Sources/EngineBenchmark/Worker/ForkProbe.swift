import Machine
import Workflow

/// Forks a machine again and again.
package struct ForkProbe {
    private let machine: Machine
    private let clock = ContinuousClock()

    package init(_ machine: Machine) { self.machine = machine }

    /// What single forks took.
    package struct Times: Sendable, Codable {
        /// Each of the forks, in seconds.
        package var forks: [Double]
        /// For each, the writes before it: the first ones to these pages after a fork, which copy them.
        package var writes: [Double]
        /// Pages that were written before each fork.
        package var dirtyPages: Int
    }

    /// What many forks that live at the same time take.
    package struct Crowd: Sendable, Codable {
        package var count: Int
        /// For all forks together, without their running.
        package var seconds: Double
        /// For all forks together: parking those that ran.
        package var parkSeconds: Double
        /// For all forks together: making them ready to go on.
        package var unparkSeconds: Double
        /// The largest resident set of the process while all of them wait.
        package var peakBytes: UInt64
        /// The same when all of them are ready to go on.
        package var readyPeakBytes: UInt64
        /// What is written to one of them is not seen by the others.
        package var isIndependent: Bool
    }

    /// Times forks, each after the machine has written to some pages. The fork before lives on meanwhile.
    package func times(rounds: Int, dirtyPages: Int) throws -> Times {
        let places = try self.places(dirtyPages)
        var times = Times(forks: [], writes: [], dirtyPages: dirtyPages)
        times.forks.reserveCapacity(rounds)
        times.writes.reserveCapacity(rounds)
        var last = machine.fork()
        for _ in 0..<rounds {
            let start = clock.now
            for place in places { try machine.writePhysical(place.address, place.bytes) }
            let written = clock.now
            let fork = machine.fork()
            let end = clock.now
            times.writes.append((written - start) / .seconds(1))
            times.forks.append((end - written) / .seconds(1))
            last = fork
        }
        withExtendedLifetime(last) {}
        return times
    }

    /// Times forks of a guest at work, each after some of its time. The fork before lives on meanwhile.
    ///
    /// - Parameters:
    ///   - command: what the guest is given to do at its shell's prompt.
    ///   - pause: virtual nanoseconds between two forks.
    package func timesAtWork(_ command: String, rounds: Int, pause: UInt64) throws -> Times {
        let guest = NativeGuest(machine)
        try guest.begin(command)
        var times = Times(forks: [], writes: [], dirtyPages: 0)
        times.forks.reserveCapacity(rounds)
        var last = machine.fork()
        for _ in 0..<rounds {
            try guest.settle(nanoseconds: pause)
            let start = clock.now
            let fork = machine.fork()
            times.forks.append((clock.now - start) / .seconds(1))
            last = fork
        }
        withExtendedLifetime(last) {}
        return times
    }

    /// Forks the machine `count` times and keeps all forks.
    ///
    /// - Parameter run: virtual nanoseconds that each fork runs before it is parked, as an exploration does with states that wait.
    package func crowd(count: Int, run: UInt64) throws -> Crowd {
        var forks: [Machine] = []
        forks.reserveCapacity(count)
        var seconds = 0.0
        var parking = Duration.zero
        for _ in 0..<count {
            let start = clock.now
            let fork = machine.fork()
            seconds += (clock.now - start) / .seconds(1)
            if run > 0 {
                try NativeGuest(fork).settle(nanoseconds: run)
                parking += clock.measure { fork.park() }
            }
            forks.append(fork)
        }
        let peak = try MemoryUse.peakBytes()
        let unparking = clock.measure { for fork in forks { fork.unpark() } }
        return Crowd(
            count: count, seconds: seconds, parkSeconds: parking / .seconds(1), unparkSeconds: unparking / .seconds(1),
            peakBytes: peak, readyPeakBytes: try MemoryUse.peakBytes(), isIndependent: try areIndependent(forks))
    }

    private func areIndependent(_ forks: [Machine]) throws -> Bool {
        guard forks.count > 2, let place = try places(1).first, let byte = place.bytes.first else { return true }
        let middle = forks[forks.count / 2]
        try middle.writePhysical(place.address, [byte ^ 0xFF])
        for fork in forks + [machine] where fork !== middle {
            guard try fork.readPhysical(place.address, count: 1) == place.bytes else { return false }
        }
        return try middle.readPhysical(place.address, count: 1) == [byte ^ 0xFF]
    }

    /// Places in as many pages of main memory, all over it, and the byte that each holds.
    private func places(_ count: Int) throws -> [(address: UInt64, bytes: [UInt8])] {
        guard count > 0 else { return [] }
        guard let region = machine.base.regions.filter(\.isWritable).max(by: { $0.byteCount < $1.byteCount }),
            region.byteCount / 4096 >= UInt64(count)
        else { throw WorkflowError(.usage, "The guest does not have \(count) pages.") }
        let distance = region.byteCount / 4096 / UInt64(count) * 4096
        return try (0..<UInt64(count)).map { index in
            let address = region.start + index * distance
            return (address, try machine.readPhysical(address, count: 1))
        }
    }
}
