import Foundation
import Hypervisor
import Machine
import Synchronization
import X86

/// A report on its way out of the thread that makes it, and the wish to end early on its way in.
final class LockstepBox: Sendable {
    private let state = Mutex<(report: LockstepReport?, isCancelled: Bool)>((nil, false))

    var report: LockstepReport? { state.withLock { $0.report } }
    var isCancelled: Bool { state.withLock { $0.isCancelled } }
    func set(_ report: LockstepReport) { state.withLock { $0.report = report } }
    func cancel() { state.withLock { $0.isCancelled = true } }
}

/// The comparison itself: one thread, one connection.
struct Lockstep: Sendable {
    let name: String
    let socket: String
    let count: UInt64
    let box: LockstepBox

    /// Instructions between two comparisons of memory.
    private static let memoryInterval: UInt64 = 100_000

    func run(_ machine: Machine) throws {
        var client = try GDBClient(socket: socket)
        try client.usePhysicalAddresses()
        var report = LockstepReport(snapshot: name)
        var seen: [UInt64: [UInt8]] = [:]
        defer { box.set(report) }
        var differences = compare(machine, try client.registers())
        guard differences.isEmpty else {
            report.differences = differences
            report.ending = "the states differ before the first instruction"
            return
        }
        while report.instructions < count, !box.isCancelled {
            let bytes = machine.bytesAtInstruction()
            let rip = machine.visibleRegisters.rip
            let facts = Lifter(context: machine.liftContext).facts(bytes, rip: rip)
            let operands = facts.map(machine.operandAddresses) ?? []
            let accesses = machine.deviceAccessCount
            let isUser = machine.processor.system.pointee.privilegeLevel == 3
            if let exit = machine.stepOne() {
                report.ending = machine.explain(exit)
                break
            }
            try client.step()
            report.instructions += 1
            if isUser { report.userInstructions += 1 }
            let other = try client.registers()
            if facts?.isFromOutside == true || machine.deviceAccessCount != accesses {
                // Only the values come from outside, not where the program goes on.
                machine.adopt(general: Self.general(other), flags: other.flags)
                report.taken += 1
            } else if let undefined = facts?.undefinedFlags,
                undefined & (machine.visibleRegisters.flags ^ other.flags) != 0
            {
                let flags = machine.visibleRegisters.flags & ~undefined | other.flags & undefined
                machine.adopt(general: machine.visibleRegisters.general, flags: flags)
                report.undefinedFlags += 1
            }
            differences = compare(machine, other)
            if !differences.isEmpty, try adoptTableBits(at: operands, machine, &client) {
                machine.adopt(general: Self.general(other), flags: other.flags)
                report.tableBits += 1
                differences = compare(machine, other)
            }
            if differences.isEmpty, report.instructions % Self.memoryInterval == 0 {
                differences = try compareMemory(machine, &client, &seen, &report)
            }
            guard differences.isEmpty else {
                report.differences = differences
                report.address = hex(rip)
                report.code = bytes.prefix(facts?.length ?? bytes.count)
                    .map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: " ")
                return
            }
        }
        report.differences = try compareMemory(machine, &client, &seen, &report)
    }

    /// Accessed and dirty bit of a page-table entry.
    private static let tableBits: UInt64 = 0x60

    /// Takes QEMU's page-table entries at an instruction's operands, if they differ in nothing but these bits.
    ///
    /// - Returns: true when one differed: then what the instruction made of it differs too.
    private func adoptTableBits(
        at operands: [UInt64], _ machine: Machine, _ client: inout GDBClient
    ) throws -> Bool {
        var isAdopted = false
        for operand in operands {
            // An operand that does not exist had the instruction fault, or is one that it never touches.
            guard let place = try? machine.translate(operand & ~7, .read, asSupervisor: true).physicalAddress,
                let own = try? machine.readPhysical(place, count: 8)
            else { continue }
            let other = try client.physicalMemory(place, count: 8)
            let difference = Self.word(own, 0) ^ Self.word(other, 0)
            guard difference != 0, difference & ~Self.tableBits == 0, own[0] & 1 != 0 else { continue }
            try machine.writePhysical(place, other)
            isAdopted = true
        }
        return isAdopted
    }

    /// The eight bytes at an index, least significant first.
    private static func word(_ bytes: [UInt8], _ index: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[index + $1]) << UInt64(8 * $1) }
    }

    /// Registers that differ.
    private func compare(_ machine: Machine, _ other: GDBRegisters) -> [LockstepReport.Difference] {
        var qemu = machine.visibleRegisters
        qemu.general = Self.general(other)
        qemu.rip = other.rip
        // RF is QEMU's own business between two steps.
        qemu.flags = other.flags & ~RFlags.resume | machine.visibleRegisters.flags & RFlags.resume
        let order = [3, 0, 1, 2, 4, 5]
        qemu.selectors = order.map { other.selectors[$0] }
        qemu.fsBase = other.fsBase
        qemu.gsBase = other.gsBase
        qemu.kernelGSBase = other.kernelGSBase
        qemu.control = Array(other.control.prefix(4))
        qemu.efer = other.efer
        qemu.vectors = other.vectors
        qemu.mxcsr = other.mxcsr
        let own = machine.visibleRegisters
        guard own != qemu else { return [] }
        return zip(own.named, qemu.named).filter { $0.value != $1.value }.map {
            LockstepReport.Difference(place: $0.name, engine: hex($0.value), qemu: hex($1.value))
        }
    }

    /// From the debugger's order to that of encodings.
    private static func general(_ other: GDBRegisters) -> [UInt64] {
        let order = [0, 2, 3, 1, 7, 6, 4, 5]
        return order.map { other.general[$0] } + other.general[8...]
    }

    /// Compares every page that the engine has written since it was compared last.
    private func compareMemory(
        _ machine: Machine, _ client: inout GDBClient, _ seen: inout [UInt64: [UInt8]], _ report: inout LockstepReport
    ) throws -> [LockstepReport.Difference] {
        var written: [(address: UInt64, bytes: [UInt8])] = []
        try machine.forEachWrittenPage { address, bytes in
            let page = Array(bytes)
            if seen[address] != page { written.append((address, page)) }
        }
        for (address, page) in written {
            var other: [UInt8] = []
            while other.count < page.count {
                other += try client.physicalMemory(address + UInt64(other.count), count: 1024)
            }
            report.pagesCompared += 1
            // The low byte of an entry holds the bits that may differ, and the present bit.
            let mask = UInt8(truncatingIfNeeded: Self.tableBits)
            let first = page.indices.first {
                page[$0] != other[$0]
                    && !($0 % 8 == 0 && (page[$0] ^ other[$0]) & ~mask == 0 && page[$0] & 1 != 0)
            }
            guard let place = first else {
                seen[address] = page
                continue
            }
            let word = place & ~7
            return [
                LockstepReport.Difference(
                    place: "memory at \(hex(address + UInt64(word)))", engine: hex(Self.word(page, word)),
                    qemu: hex(Self.word(other, word)))
            ]
        }
        return []
    }

    private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
