import Machine
import Testing
import X86

/// The host's processor and a machine with the same memory at the same addresses, for vector instructions.
final class VectorPair {
    private let native: VectorNativeRunner
    let machine: Machine
    private var code: [UInt8] = []
    private static let physical: UInt64 = 0x10_0000
    private static let handlers: UInt64 = 0x18_0000
    private static let windowSize = 1024

    /// What of a case is chosen, besides the random operands.
    struct Options {
        /// Pointers near the end of the data area, behind which nothing is mapped.
        var isAtEdge = false
        /// MXCSR is random; else the exceptions are masked and rounding is to nearest.
        var hasRandomControl = true
        var mask: UInt64 = 0x8D5
    }

    /// - Parameter model: what CPUID answers in the guest.
    init(model: ProcessorModel? = nil) throws {
        native = try #require(VectorNativeRunner(), "the arena's address is taken")
        var guest = LongModeGuest()
        for page in UInt64(0)..<6 {
            guest.map(VectorNativeRunner.arena + page * 4096, to: Self.physical + page * 4096)
        }
        guest.map(Self.handlers, to: Self.handlers)
        for vector in UInt64(0)..<32 {
            // Hypercall 0xE00 + vector.
            let address = Self.handlers + vector * 16
            guest.write(address, [0x0F, 0x1F, 0x84, 0, UInt8(vector), 0x0E, 0x4D, 0x53])
            guest.setGate(vector, address, stack: 1)
        }
        guest.state.cr4 |= CR4.xSave
        guest.state.xcr0 = 0xE7
        var options = MachineOptions()
        options.model.leaves[7 << 32] = CPUIDLeaf(ebx: 0x108)
        options.model.leaves[0x8000_0001 << 32] = CPUIDLeaf(ecx: 0x21)
        if let model { options.model = model }
        machine = try guest.machine(options: options)
    }

    func setCode(_ bytes: [UInt8]) throws {
        code = bytes
        // The long NOP is Stemma's hypercall 0xABC here.
        try machine.writePhysical(
            Self.physical + VectorNativeRunner.codeStart - VectorNativeRunner.arena,
            bytes + [0x0F, 0x1F, 0x84, 0, 0xBC, 0x0A, 0x4D, 0x53])
    }

    /// The signal that the host's kernel sends for an exception.
    private static func signal(_ vector: UInt16) -> Int32 {
        switch vector {
        case 6: 4
        case 19: 8
        default: 11
        }
    }

    /// Runs the code on both; nil when they agree, else what differs.
    func compare(_ form: VectorForm, _ random: inout OperandGenerator, _ options: Options = Options()) throws -> String?
    {
        let start =
            options.isAtEdge
            ? VectorNativeRunner.guardPage - UInt64(Self.windowSize)
            : VectorNativeRunner.dataMiddle - UInt64(Self.windowSize / 2)
        let state = prepare(form, &random, options)
        let words = (0..<Self.windowSize / 8).map { _ in VectorContent.word(form.content, &random) }
        let window = words.withUnsafeBytes { Array($0) }
        let offset = Int(start - VectorNativeRunner.data)
        native.setData(window, at: offset)
        let expected = native.run(code, state)
        var expectedWindow = native.data(at: offset, count: Self.windowSize)
        let latitude = VendorLatitude(form.assembly)

        let place = Self.physical + start - VectorNativeRunner.arena
        try machine.writePhysical(place, window)
        let processor = machine.processor
        for index in 0..<16 { processor[.general(index)] = state.general[index] }
        for index in 0..<64 { processor[Self.slot(index)] = state.vectors[index] }
        processor.rflags = state.flags
        processor.system.pointee.mxcsr = state.mxcsr
        processor[.rip] = VectorNativeRunner.codeStart
        let exit = machine.run(budget: 1000)
        var signal: Int32 = 0
        switch exit {
        case .hypercall(0xABC): break
        case .hypercall(let number) where number & 0xFF00 == 0xE00: signal = Self.signal(number & 0xFF)
        default: return "\(exit), host signal \(expected.signal)"
        }
        guard signal == expected.signal else { return "\(exit), host signal \(expected.signal)" }
        let found = try machine.readPhysical(place, count: Self.windowSize)
        // The area of such a form is at the window's beginning.
        if latitude.contains(.controlMask) { expectedWindow.replaceSubrange(28..<32, with: found[28..<32]) }
        return difference(expected, options.mask, latitude)
            ?? (found == expectedWindow
                ? nil
                : "memory from window+\(zip(found, expectedWindow).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0)")
    }

    private static func slot(_ index: Int) -> Slot {
        let register = Slot.xmm(index / 4)
        return [register, register.high, register.upper, register.upper.high][index % 4]
    }

    private func difference(_ expected: VectorState, _ mask: UInt64, _ latitude: VendorLatitude) -> String? {
        let processor = machine.processor
        func hex(_ value: UInt64) -> String { String(value, radix: 16) }
        var lines: [String] = []
        for index in 0..<16 where processor[.general(index)] != expected.general[index] {
            if index == 4, expected.signal != 0 { continue }
            lines.append("r\(index): \(hex(processor[.general(index)])), host \(hex(expected.general[index]))")
        }
        if (processor.rflags ^ expected.flags) & mask != 0 {
            lines.append("flags \(hex(processor.rflags & mask)), host \(hex(expected.flags & mask))")
        }
        let isCutShort = latitude.contains(.gatherProgress) && expected.signal != 0
        for index in 0..<64 where processor[Self.slot(index)] != expected.vectors[index] {
            if isCutShort || latitude.allows(processor[Self.slot(index)], expected.vectors[index]) { continue }
            lines.append(
                "ymm\(index / 4)[\(index % 4)]: \(hex(processor[Self.slot(index)])), host \(hex(expected.vectors[index]))"
            )
        }
        let mxcsr = processor.system.pointee.mxcsr
        if mxcsr != expected.mxcsr { lines.append("mxcsr \(hex(UInt64(mxcsr))), host \(hex(UInt64(expected.mxcsr)))") }
        return lines.isEmpty ? nil : lines.joined(separator: "; ")
    }

    private func prepare(_ form: VectorForm, _ random: inout OperandGenerator, _ options: Options) -> VectorState {
        var state = VectorState()
        for index in 0..<16 { state.general[index] = random.operand() }
        for index in 0..<64 { state.vectors[index] = VectorContent.word(form.content, &random) }
        state.flags = random.next() & 0x8D5 | 0x202
        let middle = options.isAtEdge ? VectorNativeRunner.guardPage - 128 : VectorNativeRunner.dataMiddle
        state.general[3] = middle + (options.isAtEdge ? random.below(8) * 16 : 0)
        state.general[5] = middle + (options.isAtEdge ? random.below(128) : random.below(64))
        state.general[4] = VectorNativeRunner.data + 0x800
        if case .text = form.content {
            state.general[0] = random.below(40) &- 20
            state.general[2] = random.below(40) &- 20
        }
        if form.isGather {
            for index in 8..<12 {
                let low = UInt64(truncatingIfNeeded: Int64(random.below(120)) - 60) & 0xFFFF_FFFF
                let high = UInt64(truncatingIfNeeded: Int64(random.below(120)) - 60) << 32
                state.vectors[index] = low | high
            }
        }
        if options.hasRandomControl {
            // Rounding, DAZ, FTZ and the sticky flags are random, and in one case of four some masks are off.
            state.mxcsr = UInt32(truncatingIfNeeded: random.next()) & 0xE07F | 0x1F80
            if random.below(4) == 0 { state.mxcsr &= ~(UInt32(truncatingIfNeeded: random.next()) & 0x1F80) }
            if random.below(3) == 0 { state.mxcsr &= ~0x8040 }
        }
        return state
    }
}

/// Random 64-bit words with the values that matter.
enum VectorContent {
    static func word(_ content: VectorForm.Content, _ random: inout OperandGenerator) -> UInt64 {
        switch content {
        case .integers:
            return random.below(3) == 0
                ? (0..<8).reduce(0) { word, _ in word << 8 | [0, 1, 0x7F, 0x80, 0xFF, 0x55][Int(random.below(6))] }
                : random.operand()
        case .doubles: return number(&random, exponentBits: 11, fractionBits: 52)
        case .singles:
            return number(&random, exponentBits: 8, fractionBits: 23)
                | number(&random, exponentBits: 8, fractionBits: 23) << 32
        case .halves:
            return (0..<4).reduce(0) { word, _ in
                word << 16 | number(&random, exponentBits: 5, fractionBits: 10)
            }
        case .text:
            return (0..<8).reduce(0) { word, _ in
                word << 8 | [0x61, 0x62, 0x63, 0x7A, 0x41, 0, 0x80, 0xF0][Int(random.below(8))]
            }
        }
    }

    /// A floating-point number: special ones, neighbours of the ends of the range, integers and halves, and any bits.
    private static func number(_ random: inout OperandGenerator, exponentBits: UInt64, fractionBits: UInt64) -> UInt64 {
        let unit: UInt64 = 1
        let infinity = (unit << exponentBits - 1) << fractionBits
        let one = (unit << (exponentBits - 1) - 1) << fractionBits
        let sign = random.below(2) << (exponentBits + fractionBits)
        let fraction = random.next() & (unit << fractionBits - 1)
        let sparse = fraction & ~(unit << random.below(fractionBits + 1) - 1)
        switch random.below(16) {
        case 0: return sign
        case 1: return sign | infinity
        case 2: return sign | infinity | unit << (fractionBits - 1) | fraction
        case 3: return sign | infinity | (fraction & ~(unit << (fractionBits - 1)) | 1)
        case 4: return sign | sparse
        case 5:
            return sign | [unit, unit << fractionBits - 1, unit << fractionBits, infinity - 1][Int(random.below(4))]
        case 6: return sign | one
        case 7, 8, 9:
            let scale = one &+ (random.below(9) &- 4) << fractionBits
            return sign | scale | sparse
        case 10:
            // Around the ends of 32- and 64-bit integers.
            let exponent = one &+ ([15, 30, 31, 62, 63][Int(random.below(5))] << fractionBits)
            return sign | min(exponent, infinity - 1) | sparse
        case 11: return sign | (random.below(4) << fractionBits) | sparse
        case 12: return sign | (infinity &- ((1 + random.below(3)) << fractionBits)) | fraction
        case 13: return sign | (one >> 1) & infinity | sparse
        default: return sign | (random.next() & (infinity | unit << fractionBits - 1))
        }
    }
}
