/// Disks of the block devices, in QEMU's order: by address, so that `disk0` is in the lowest slot.
extension PCIBus {
    /// Addresses of the block devices; the place in the list is the disk's number.
    package var blockDevices: [PCIAddress] { blockIndexes.map { functions[$0].address } }

    private var blockIndexes: [Int] {
        functions.indices.filter { index in
            guard case .virtio(let device) = functions[index].device, case .block = device.model else { return false }
            return true
        }
    }

    /// Gives a block device its disk. False when there is no block device of that number.
    @discardableResult
    package mutating func attach(_ disk: Disk, number: Int, isReadOnly: Bool = false, serial: String = "") -> Bool {
        let indexes = blockIndexes
        guard indexes.indices.contains(number) else { return false }
        functions[indexes[number]].withVirtio { device, _ in
            guard case .block(var block) = device.model else { return }
            block.disk = disk
            block.isReadOnly = isReadOnly
            block.serial = serial
            device.model = .block(block)
        }
        return true
    }

    /// A block device's disk with all that was written to it.
    package func disk(_ number: Int) -> Disk? {
        let indexes = blockIndexes
        guard indexes.indices.contains(number), case .virtio(let device) = functions[indexes[number]].device,
            case .block(let block) = device.model
        else { return nil }
        return block.disk
    }

    /// Takes up what the snapshot's devices have left in their rings: see ``VirtioPCI/resume(memory:)``. Call it once, when all disks are
    /// attached, before the guest goes on.
    package mutating func resume<Memory: PhysicalMemory & ~Copyable>(memory: inout Memory) {
        for index in functions.indices {
            functions[index].withVirtio { device, _ in device.resume(memory: &memory) }
            collectMessages(index)
        }
        routeInterrupts()
    }
}
