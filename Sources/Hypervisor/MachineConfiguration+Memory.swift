extension MachineConfiguration {
    /// The name of main memory as a RAM block of a migration stream. A shared one has to keep it, so that its snapshots and
    /// those of a machine without shared memory fit each other.
    package static let mainMemoryBlock = "pc.ram"

    /// Bytes of main memory.
    package var memoryBytes: UInt64 { UInt64(max(0, memoryMiB)) << 20 }

    /// Why main memory cannot be one shared file, or `nil` when it can.
    ///
    /// Machines whose further arguments arrange memory for themselves (NUMA nodes, several backends, memory that is
    /// plugged in) keep what they ask for.
    package var obstacleToSharedMemory: String? {
        guard machine.hasPrefix("pc") || machine.hasPrefix("q35") else {
            return "the main memory of the machine type '\(machine)' has a name that is not known"
        }
        let words = ["-numa", "--numa", "-m", "--m", "-mem-path", "--mem-path", "-mem-prealloc", "-M", "-machine"]
        for argument in extraArguments {
            if words.contains(argument) || argument.contains("memory-backend") || argument.contains("dimm")
                || argument.contains("virtio-mem") || argument.contains("memdev")
            {
                return "'\(argument)' among QEMU's arguments arranges memory"
            }
        }
        return nil
    }
}
