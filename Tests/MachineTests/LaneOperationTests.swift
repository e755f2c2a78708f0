import Machine
import Testing
import X86

/// The lane operations of the IR against what is written at `Operation`, lane by lane.
@Suite struct LaneOperationTests {
    private struct Lane {
        let bits: Int
        let a: UInt64
        let b: UInt64
        var left: Int { signed(a) }
        var right: Int { signed(b) }
        var top: Int { (1 << (bits - 1)) - 1 }

        func signed(_ value: UInt64) -> Int { Int(Int64(bitPattern: value << UInt64(64 - bits)) >> Int64(64 - bits)) }
        func clampSigned(_ value: Int) -> UInt64 { UInt64(bitPattern: Int64(min(max(value, -top - 1), top))) }
    }

    private static let operations: [(Operation, [UInt8], @Sendable (Lane) -> UInt64)] = [
        (.laneAdd, [8, 16, 32], { $0.a &+ $0.b }), (.laneSubtract, [8, 16, 32], { $0.a &- $0.b }),
        (.laneAddSaturateUnsigned, [8, 16], { min($0.a + $0.b, (1 << UInt64($0.bits)) - 1) }),
        (.laneAddSaturateSigned, [8, 16], { $0.clampSigned($0.left + $0.right) }),
        (.laneSubtractSaturateUnsigned, [8, 16], { $0.a > $0.b ? $0.a - $0.b : 0 }),
        (.laneSubtractSaturateSigned, [8, 16], { $0.clampSigned($0.left - $0.right) }),
        (.laneMultiply, [16, 32], { $0.a &* $0.b }),
        (.laneMultiplyHighSigned, [16], { UInt64(bitPattern: Int64(($0.left * $0.right) >> 16)) }),
        (.laneMultiplyHighUnsigned, [16], { ($0.a * $0.b) >> 16 }),
        (.laneEqual, [8, 16, 32, 64], { $0.a == $0.b ? ~0 : 0 }),
        (.laneGreaterSigned, [8, 16, 32, 64], { $0.left > $0.right ? ~0 : 0 }),
        (.laneMinimumUnsigned, [8, 16, 32], { min($0.a, $0.b) }),
        (.laneMaximumUnsigned, [8, 16, 32], { max($0.a, $0.b) }),
        (.laneMinimumSigned, [8, 16, 32], { UInt64(bitPattern: Int64(min($0.left, $0.right))) }),
        (.laneMaximumSigned, [8, 16, 32], { UInt64(bitPattern: Int64(max($0.left, $0.right))) }),
        (.laneAverage, [8, 16], { ($0.a + $0.b + 1) >> 1 }),
    ]

    private static let words: [UInt64] = {
        var state: UInt64 = 17
        let random = (0..<60).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
        return random + [
            0, ~0, 0x8080_8080_8080_8080, 0x7F7F_7F7F_7F7F_7F7F, 0x8000_8000_8000_8000, 0x7FFF_7FFF_7FFF_7FFF,
            0x8000_0000_8000_0000,
            0x7FFF_FFFF_7FFF_FFFF, 1 << 63, (1 << 63) - 1, 0x0001_0203_0405_0607, 0x0101_0101_0101_0101,
        ]
    }()

    private func result(_ operation: Operation, _ width: UInt8, _ a: UInt64, _ b: UInt64) -> UInt64 {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Slot.count) { slots in
            slots.initialize(repeating: 0)
            slots[0] = a
            slots[1] = b
            let op = MicroOp(operation, width: width, destination: .rdx, a: .rax, b: .rcx)
            guard let base = slots.baseAddress, Machine.executeSeldom(op, base) else { return 0 }
            return slots[2]
        }
    }

    @Test func everyLaneIsComputedByItself() {
        for (operation, widths, definition) in Self.operations {
            for width in widths {
                let (bits, mask) = (Int(width), ~UInt64(0) >> UInt64(64 - width))
                for a in Self.words {
                    for b in Self.words {
                        var expected: UInt64 = 0
                        for position in stride(from: UInt64(0), to: 64, by: bits) {
                            let lane = Lane(bits: bits, a: (a >> position) & mask, b: (b >> position) & mask)
                            expected |= (definition(lane) & mask) << position
                        }
                        let found = result(operation, width, a, b)
                        guard found != expected else { continue }
                        Issue.record("\(operation).\(width) of \(a) and \(b) is \(found), not \(expected)")
                        return
                    }
                }
            }
        }
    }

    @Test func shiftsHaveOneCount() {
        for width: UInt8 in [16, 32, 64] {
            let (bits, mask) = (UInt64(width), ~UInt64(0) >> UInt64(64 - width))
            for a in Self.words {
                for count in [UInt64](0...70) + [255, 256, 1 << 32, ~0] {
                    var (left, right, arithmetic): (UInt64, UInt64, UInt64) = (0, 0, 0)
                    for position in stride(from: UInt64(0), to: 64, by: Int(bits)) {
                        let lane = Lane(bits: Int(bits), a: (a >> position) & mask, b: 0)
                        left |= (count >= bits ? 0 : lane.a << count & mask) << position
                        right |= (count >= bits ? 0 : lane.a >> count) << position
                        arithmetic |= (UInt64(bitPattern: Int64(lane.left >> min(count, 63))) & mask) << position
                    }
                    #expect(result(.laneShiftLeft, width, a, count) == left)
                    #expect(result(.laneShiftRight, width, a, count) == right)
                    if width < 64 { #expect(result(.laneShiftRightArithmetic, width, a, count) == arithmetic) }
                }
            }
        }
    }

    @Test func signsAndNeighbours() {
        for a in Self.words {
            for width: UInt64 in [8, 16, 32, 64] {
                let signs = (0..<64 / width).reduce(UInt64(0)) { $0 | ((a >> ($1 * width + width - 1)) & 1) << $1 }
                #expect(result(.laneSigns, UInt8(width), a, 0) == signs)
            }
            for b in Self.words.prefix(20) {
                for width: UInt64 in [8, 16, 32] {
                    let mask = ~UInt64(0) >> (64 - width)
                    func expected(_ start: UInt64) -> UInt64 {
                        (0..<32 / width).reduce(0) { sum, lane in
                            let place = start + lane * width
                            let pair = (a >> place) & mask | ((b >> place) & mask) << width
                            return sum | pair << (lane * 2 * width)
                        }
                    }
                    #expect(result(.interleaveLow, UInt8(width), a, b) == expected(0))
                    #expect(result(.interleaveHigh, UInt8(width), a, b) == expected(32))
                }
            }
        }
    }
}
