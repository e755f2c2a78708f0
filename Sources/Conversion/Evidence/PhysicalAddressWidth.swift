import GuestInspection
import VMState

/// How wide the guest's physical addresses are.
struct PhysicalAddressWidth: Sendable {
    /// Bits that the target has to give to its CPU.
    let needed: Int
    /// What asks for more bits than usual.
    let evidence: [Finding.Evidence]

    /// Widths beyond this are no CPU's.
    private static let widest = 52
    /// Pages of page tables that are looked at.
    private static let budget = 20_000

    init(_ context: CheckContext) throws(VMStateError) {
        let usual = TargetLimits(context.target).physicalBits
        var needed = usual
        var evidence: [Finding.Evidence] = []
        func note(_ address: UInt64, _ piece: @autoclosure () -> Finding.Evidence) {
            let bits = 64 - address.leadingZeroBitCount
            guard bits > needed, bits <= Self.widest else { return }
            needed = bits
            evidence.append(piece())
        }
        // The masks of the MTRRs tell nothing: QEMU fills KVM's up to 52 bits.
        for device in context.stream.devices where device.idstr.contains("/") {
            for (register, address) in Self.windows(device) {
                note(
                    address,
                    Finding.Evidence(
                        section: device.name, field: "configuration register \(hex(register))", value: hex(address)))
            }
        }
        if let memory = context.memory, usual < Self.widest {
            for cpu in context.cpus where cpu.cr0 >> 31 & 1 != 0 && cpu.efer >> 10 & 1 != 0 {
                let highest = try Self.highestAddress(memory, cpu)
                note(
                    highest,
                    Finding.Evidence(
                        section: "memory", field: "page tables of \(cpu.section.name)", value: hex(highest)))
            }
        }
        self.needed = needed
        self.evidence = evidence
    }

    /// Base addresses of 64-bit memory windows, by register.
    private static func windows(_ device: DeviceSection) -> [(Int, UInt64)] {
        var list: [(Int, UInt64)] = []
        for path in ["parent_obj.config[0]", "dev.config[0]", "pci.config[0]", "config[0]"] {
            guard let space = try? device.bytes(path), space.count >= 0x40, space[0x0e] & 0x7f == 0 else { continue }
            list += windows(space)
        }
        if list.isEmpty, device.payload.count > 4 + 256, device.idstr.contains("virtio") {
            list = windows(Array(device.payload[4..<260]))
        }
        return list
    }

    private static func windows(_ space: [UInt8]) -> [(Int, UInt64)] {
        guard space.count >= 0x28, space[0x0e] & 0x7f == 0 else { return [] }
        var list: [(Int, UInt64)] = []
        var register = 0x10
        while register + 8 <= 0x28 {
            let low = space.littleEndian(register, as: UInt32.self)
            // Memory, 64 bits (PCI 3.0, 6.2.5.1).
            guard low & 7 == 4 else {
                register += 4
                continue
            }
            let address = UInt64(space.littleEndian(register + 4, as: UInt32.self)) << 32 | UInt64(low & ~0xf)
            if address != 0, address | 0xf != .max { list.append((register, address)) }
            register += 8
        }
        return list
    }

    /// The highest physical address that a CPU's page tables map. Tables are walked breadth first and each once.
    private static func highestAddress(_ memory: any GuestMemory, _ cpu: CPUSection) throws(VMStateError) -> UInt64 {
        let mask: UInt64 = 0x000f_ffff_ffff_f000
        var level = cpu.cr4 >> 12 & 1 != 0 ? 5 : 4
        var tables: Set<UInt64> = [cpu.cr3 & mask]
        var highest: UInt64 = 0
        var budget = Self.budget
        while level > 0, !tables.isEmpty {
            var below: Set<UInt64> = []
            for table in tables.sorted() where memory.contains(page: table >> 12) && budget > 0 {
                budget -= 1
                let bytes: [UInt8]
                do throws(GuestMemoryError) {
                    bytes = try memory.contents(ofPage: table >> 12)
                } catch {
                    throw VMStateError(
                        .io, "the guest's page tables cannot be read", section: "memory", cause: "\(error)")
                }
                bytes.withUnsafeBytes { raw in
                    for index in 0..<512 {
                        let entry = UInt64(littleEndian: raw.load(fromByteOffset: 8 * index, as: UInt64.self))
                        guard entry & 1 != 0 else { continue }
                        // Large pages keep an attribute in bit 12.
                        if level == 1 || (level <= 3 && entry & 0x80 != 0) {
                            highest = max(highest, entry & mask & ~(level == 1 ? 0 : 0x1000))
                        } else {
                            below.insert(entry & mask)
                        }
                    }
                }
            }
            tables = below
            level -= 1
        }
        return highest
    }
}
