import GuestInspection
import VMState

/// A snapshot with a Linux guest while a repair edits it: by names of symbols and types, refusing what does not fit.
package struct LinuxGuest {
    /// Stream and RAM with all edits.
    package var snapshot: EditableSnapshot
    /// The CPUs as they are in the stream.
    let cpus: [CPUSection]
    /// Where the CPUs' time stamp counters go on.
    let counters: [UInt64]
    /// Counts of the target's time stamp counter a second, where that is known.
    let targetTicksPerSecond: Double?
    private let original: LinuxKernel
    private var known: [String: [KernelSymbols.Symbol]] = [:]

    /// - Parameter context: the snapshot as it was before any fix, and the target.
    init(kernel: LinuxKernel, snapshot: EditableSnapshot, context: CheckContext) throws(VMStateError) {
        original = kernel
        self.snapshot = snapshot
        cpus = try snapshot.stream.cpus()
        counters = try GuestCounters(context).values
        targetTicksPerSecond = context.targetTicksPerSecond
    }

    mutating func repair(_ id: String, with repair: some LinuxRepair) throws -> [StreamChange] {
        try repair.repair(&self)
    }

    /// The kernel, read through the edits so far.
    var kernel: LinuxKernel { original.reading(snapshot.memory) }

    // MARK: Names

    /// Looks up names in one pass; later questions for them cost nothing.
    mutating func lookUp(_ names: Set<String>) {
        let missing = names.subtracting(known.keys)
        guard !missing.isEmpty else { return }
        let found = original.symbols.symbols(named: missing)
        for name in missing { known[name] = found[name] ?? [] }
    }

    /// Whether the kernel has a symbol of this name.
    mutating func has(_ name: String) -> Bool { !symbols(name).isEmpty }

    /// All symbols of a name.
    mutating func symbols(_ name: String) -> [KernelSymbols.Symbol] {
        lookUp([name])
        return known[name] ?? []
    }

    /// The only symbol of a name.
    mutating func symbol(_ name: String) throws(FixRefusal) -> UInt64 {
        let found = symbols(name)
        guard found.count == 1 else {
            throw FixRefusal(
                found.isEmpty
                    ? "the kernel (\(original.release)) has no symbol \(name)"
                    : "the kernel (\(original.release)) has \(found.count) symbols \(name)")
        }
        return found[0].address
    }

    /// A member of a structure, which has to have `size` bytes.
    func field(_ structure: String, _ path: String, size: Int) throws(FixRefusal) -> UInt64 {
        guard let types = original.types else {
            throw FixRefusal("the kernel (\(original.release)) has no type information (BTF)")
        }
        guard let field = types.field(structure, path) else {
            throw FixRefusal("struct \(structure) has no member \(path) in this kernel (\(original.release))")
        }
        guard field.size == size else {
            throw FixRefusal(
                "\(structure).\(path) has \(field.size.map(String.init) ?? "no") bytes in this kernel, not \(size)")
        }
        return field.offset
    }

    /// Bytes of a structure.
    func size(_ structure: String) throws(FixRefusal) -> UInt64 {
        guard let size = original.types?.size(ofStructure: structure) else {
            throw FixRefusal("the size of struct \(structure) is not known in this kernel (\(original.release))")
        }
        return UInt64(size)
    }

    /// The value of an enumerator.
    func enumerator(_ name: String, of enumeration: String) throws(FixRefusal) -> UInt64 {
        guard let value = original.types?.enumerator(name, of: enumeration) else {
            throw FixRefusal("enum \(enumeration) has no \(name) in this kernel (\(original.release))")
        }
        return value
    }

    /// What is added to the address of a per-CPU variable, for each CPU of the machine.
    mutating func perCPUOffsets() throws -> [UInt64] {
        let table = try symbol("__per_cpu_offset")
        return try cpus.map { try read(table + 8 * UInt64($0.index)) }
    }

    // MARK: Memory by virtual address

    /// An integer of the kernel's memory.
    func read<Value: FixedWidthInteger & UnsignedInteger>(
        _ address: UInt64, as type: Value.Type = Value.self
    ) throws -> Value {
        try kernel.pages.integer(at: address)
    }

    /// Bytes of the kernel's memory.
    func bytes(_ address: UInt64, _ count: Int) throws -> [UInt8] { try kernel.pages.bytes(at: address, count: count) }

    /// Overwrites an integer in the kernel's memory.
    mutating func write<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: Value, to address: UInt64, _ subject: String
    ) throws {
        try write(
            (0..<MemoryLayout<Value>.size).map { UInt8(truncatingIfNeeded: value >> Value(8 * $0)) }, to: address,
            subject)
    }

    /// Overwrites bytes in the kernel's memory.
    mutating func write(_ bytes: [UInt8], to address: UInt64, _ subject: String) throws {
        var done = 0
        for piece in try kernel.pages.pieces(at: address, count: bytes.count) {
            try snapshot.memory.write(
                Array(bytes[done..<done + piece.count]), at: piece.physical, subject: subject)
            done += piece.count
        }
    }

    /// Sets a field of a section, and tells what was changed.
    mutating func set(
        _ section: String, _ instance: UInt32, _ field: String, to value: UInt64, _ changes: inout [StreamChange]
    ) throws(VMStateError) {
        try snapshot.stream.edit(section, instance) { device throws(VMStateError) in
            let before = try device.unsigned(field)
            guard before != value else { return }
            try device.set(field, to: value)
            changes.append(StreamChange(section: device.name, field: field, before: hex(before), after: hex(value)))
        }
    }

    // MARK: Features

    /// Clears a bit of CPUID as the kernel remembers it, for the boot CPU and all others.
    ///
    /// - Parameter feature: word and bit of `x86_capability`, as in the kernel's `cpufeatures.h`.
    mutating func clearFeature(_ feature: (word: UInt64, bit: UInt32), _ name: String) throws {
        guard let types = original.types, let field = types.field("cpuinfo_x86", "x86_capability"),
            let size = field.size, UInt64(size) >= 4 * (feature.word + 1)
        else { throw FixRefusal("struct cpuinfo_x86 has no x86_capability in this kernel (\(original.release))") }
        let boot = try symbol("boot_cpu_data")
        let each = try symbol("cpu_info")
        let places =
            try [(boot, "boot_cpu_data")] + perCPUOffsets().enumerated().map { (each &+ $1, "cpu_info of CPU \($0)") }
        for (address, owner) in places {
            let place = address &+ field.offset &+ 4 * feature.word
            let word: UInt32 = try read(place)
            try write(word & ~(1 << feature.bit), to: place, "\(name) in \(owner)")
        }
    }
}
