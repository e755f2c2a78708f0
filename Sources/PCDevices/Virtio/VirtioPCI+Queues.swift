extension VirtioPCI {
    /// The driver says that a queue has new requests (4.1.5.2): carries them out and interrupts when that is wanted.
    package mutating func notify<Memory: PhysicalMemory & ~Copyable>(_ number: Int, memory: inout Memory) {
        guard number >= 0, number < queues.count, isBusMaster, !isBroken, queues[number].isReady else { return }
        do throws(Virtqueue.RingError) {
            try serve(number, &memory)
        } catch {
            fail()
        }
        isStarted = isStarted || !status.isEmpty
    }

    /// Takes up the queues that the snapshot's device has left: reads how far they are filled, finishes the requests that it had taken,
    /// and those that the driver has made available. Call it once, before the guest goes on.
    package mutating func resume<Memory: PhysicalMemory & ~Copyable>(memory: inout Memory) {
        guard !isBroken, isBusMaster else { return }
        do throws(Virtqueue.RingError) {
            for index in queues.indices where queues[index].isReady {
                try queues[index].resume(in: &memory)
                if !isReceiving(index) { try queues[index].requestNotification(in: &memory, features: features) }
            }
            let requests = takeRequestsInFlight()
            for (number, chain) in requests where number < queues.count {
                try finish(chain, number, &memory)
            }
            for number in Set(requests.map(\.queue)).sorted() where number < queues.count {
                try interrupt(number, &memory)
            }
            // A request that was made available while QEMU stopped gets no second notification.
            if status.contains(.driverOK) {
                for number in queues.indices where queues[number].isReady { try serve(number, &memory) }
            }
        } catch {
            fail()
        }
    }

    private mutating func takeRequestsInFlight() -> [(queue: Int, chain: DescriptorChain)] {
        guard case .block(var block) = model else { return [] }
        let requests = block.inFlight
        block.inFlight = []
        model = .block(block)
        return requests
    }

    /// A queue whose buffers wait for packets.
    private func isReceiving(_ number: Int) -> Bool {
        guard case .network(let network) = model else { return false }
        return network.kind(number, of: queues.count, features) == .receive
    }

    private mutating func serve<Memory: PhysicalMemory & ~Copyable>(
        _ number: Int, _ memory: inout Memory
    ) throws(Virtqueue.RingError) {
        guard !isReceiving(number) else { return }
        var count = 0
        // No more than a ring full at a time: data that requests bring could fill the ring anew without end.
        while count < Int(queues[number].size), let chain = try queues[number].pop(from: &memory) {
            try finish(chain, number, &memory)
            count += 1
        }
        guard count > 0 else { return }
        try queues[number].requestNotification(in: &memory, features: features)
        try interrupt(number, &memory)
    }

    /// Carries out one request and gives its buffers back.
    private mutating func finish<Memory: PhysicalMemory & ~Copyable>(
        _ chain: DescriptorChain, _ number: Int, _ memory: inout Memory
    ) throws(Virtqueue.RingError) {
        let written = try execute(chain, number, &memory)
        try queues[number].push(chain.head, written: written, to: &memory)
    }

    private mutating func execute<Memory: PhysicalMemory & ~Copyable>(
        _ chain: DescriptorChain, _ number: Int, _ memory: inout Memory
    ) throws(Virtqueue.RingError) -> UInt32 {
        switch model {
        case .block(var block):
            // The copy in `model` lets go of the disk's tree, so that writes change it in place.
            model = .entropy(VirtioEntropy(seed: 0))
            defer { model = .block(block) }
            return try block.execute(chain, features: features, memory: &memory)
        case .entropy(var entropy):
            defer { model = .entropy(entropy) }
            return try entropy.execute(chain, memory: &memory)
        case .network(let network):
            guard network.kind(number, of: queues.count, features) == .control else { return 0 }
            return try network.control(chain, memory: &memory)
        }
    }

    private mutating func interrupt<Memory: PhysicalMemory & ~Copyable>(
        _ number: Int, _ memory: inout Memory
    ) throws(Virtqueue.RingError) {
        guard try queues[number].shouldInterrupt(&memory, features: features) else { return }
        interruptStatus |= 1
        raise(queues[number].vector)
    }

    /// Tells the driver that the configuration has changed (4.1.5.4).
    private mutating func announceConfiguration() {
        guard status.contains(.driverOK) else { return }
        interruptStatus |= 3
        generation &+= 1
        raise(configurationVector)
    }

    private mutating func raise(_ vector: UInt16) {
        if msix?.isEnabled == true {
            if vector != MSIX.unassigned { msix?.raise(vector) }
        } else {
            interruptLine = true
        }
    }

    /// The driver's ring makes no sense: the device stops and says so (2.1.1).
    private mutating func fail() {
        isBroken = true
        guard features.contains(.version1) else { return }
        status.insert(.needsReset)
        announceConfiguration()
    }
}
