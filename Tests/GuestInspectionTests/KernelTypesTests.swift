import GuestInspection
import TestSupport
import Testing

/// Type information that is written by hand.
@Suite struct KernelTypesTests {
    /// struct device { int id; union { long a; void *b; }; struct ops ops; int flags : 3; u8 table[6]; } and more.
    private func section() -> KernelTypeSection {
        var section = KernelTypeSection()
        let int = section.type(1, "int", 4, [32])
        let long = section.type(1, "long", 8, [64])
        let void = section.type(2, "", 0)
        let either = section.type(5, "", 8, count: 2, [section.string("a"), long, 0, section.string("b"), void, 0])
        let prototype = section.type(13, "", int, count: 1, [section.string("cpu"), int])
        let pointer = section.type(2, "", prototype)
        let ops = section.type(
            4, "ops", 16, count: 2, [section.string("get"), pointer, 0, section.string("send"), pointer, 64])
        let byte = section.type(1, "u8", 1, [8])
        let array = section.type(3, "", 0, [byte, int, 6])
        let alias = section.type(8, "ops_t", ops)
        _ = section.type(
            4, "device", 48, count: 5, flag: true,
            [
                section.string("id"), int, 0, 0, either, 64, section.string("ops"), alias, 128, section.string("flags"),
                int,
                3 << 24 | 257, section.string("table"), array, 296,
            ])
        _ = section.type(
            6, "places", 4, count: 2, flag: true, [section.string("FIRST"), 7, section.string("LAST"), UInt32.max])
        _ = section.type(12, "send_to", prototype)
        _ = section.type(19, "wide", 8, count: 1, [section.string("BIG"), 1, 2])
        return section
    }

    @Test func membersByPath() throws {
        let types = try KernelTypes(section().bytes)
        #expect(types.field("device", "id")?.offset == 0)
        #expect(types.field("device", "a")?.offset == 8)
        #expect(types.field("device", "b")?.size == 8)
        #expect(types.field("device", "ops.send")?.offset == 24)
        #expect(types.field("device", "table")?.size == 6)
        #expect(types.field("device", "table")?.offset == 37)
        // A bit field, a missing member, a missing structure.
        #expect(types.field("device", "flags") == nil)
        #expect(types.field("device", "ops.missing") == nil)
        #expect(types.field("driver", "id") == nil)
        #expect(types.size(ofStructure: "device") == 48)
        #expect(types.enumerator("FIRST", of: "places") == 7)
        #expect(types.enumerator("LAST", of: "places") == UInt64.max)
        #expect(types.enumerator("BIG", of: "wide") == 0x2_0000_0001)
        let function = try #require(types.types(.function, named: "send_to").first)
        #expect(types.parameters(ofFunction: function)?.map(\.name) == ["cpu"])
    }

    @Test func structuresThatDisagreeGiveNoAnswer() throws {
        var section = section()
        let int = section.type(1, "int", 4, [32])
        _ = section.type(4, "device", 8, count: 1, [section.string("id"), int, 32])
        let types = try KernelTypes(section.bytes)
        #expect(types.field("device", "id") == nil)
        #expect(types.size(ofStructure: "device") == nil)
    }

    @Test func damageIsAnErrorOrNothing() throws {
        let bytes = section().bytes
        #expect(throws: KernelTypes.Malformed.self) { try KernelTypes([]) }
        for length in 0..<bytes.count {
            #expect(throws: KernelTypes.Malformed.self) { try KernelTypes(Array(bytes.prefix(length))) }
        }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var damaged = bytes
            for _ in 0..<3 {
                damaged[Int.random(in: 0..<damaged.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            guard let types = try? KernelTypes(damaged) else { continue }
            for path in ["id", "a", "ops.send", "table"] { _ = types.field("device", path) }
            for type in 0..<UInt32(types.count) {
                _ = (types.size(type), types.parameters(ofFunction: type), types.members(type))
            }
            _ = types.enumerator("FIRST", of: "places")
        }
    }
}
