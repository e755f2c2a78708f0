import VMState
import X86

extension Machine {
    /// The machine of a snapshot.
    ///
    /// - Parameters:
    ///   - stream: the snapshot without its RAM.
    ///   - pages: fills a page of a RAM block (name, page number, 4096 zeroed bytes); called from any thread, once a page.
    package convenience init(
        snapshot stream: MigrationStream, options: MachineOptions = MachineOptions(),
        pages: @escaping @Sendable (String, UInt64, UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        let map = try GuestPhysicalMap(stream)
        var states: [ProcessorState] = []
        for cpu in try stream.cpus() {
            let apic = stream.device("apic", cpu.index)
            let common = stream.device("cpu_common", cpu.index)
            states.append(
                ProcessorState(
                    cpu, timeStamp: try Self.timeStamp(of: cpu, in: stream),
                    apicBase: try apic?.unsigned("apicbase") ?? 0xFEE0_0900,
                    isHalted: try common?.unsigned("halted") ?? 0 != 0))
        }
        let base = try BaseMemory(source: SnapshotPageSource(map: map, pages: pages))
        try self.init(base: base, processors: states, options: options)
    }

    /// KVM keeps the guest's counter in the CPU's section. The translator derives it from the timers' tick counter, and
    /// leaves the section's field at 0.
    private static func timeStamp(of cpu: CPUSection, in stream: MigrationStream) throws -> UInt64 {
        guard stream.device("kvmclock") == nil, let timer = stream.device("timer") else { return cpu.tsc }
        return try timer.unsigned("cpu_ticks_offset") &+ cpu.tscOffset
    }
}

/// A snapshot's RAM blocks where the guest's physical address space has them.
private struct SnapshotPageSource: PageSource {
    let map: GuestPhysicalMap
    let pages: @Sendable (String, UInt64, UnsafeMutableRawBufferPointer) throws -> Void

    var regions: [MemoryRegion] {
        map.regions.map {
            MemoryRegion(name: $0.block, start: $0.base, byteCount: $0.length, isWritable: $0.isWritable)
        }
    }

    func readPage(at address: UInt64, into page: UnsafeMutableRawBufferPointer) throws {
        guard let place = map.locate(address) else { return }
        try pages(place.block, place.offset / 4096, page)
    }
}
