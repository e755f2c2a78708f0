import Hypervisor
import Testing

@Suite struct StreamSearchTests {
    @Test func textStraddlesParts() {
        for size in 1...9 {
            let bytes = Array("xxREADREREADYREADY".utf8)
            var search = StreamSearch("READY")
            var position = 0
            var found: Int?
            while position < bytes.count, found == nil {
                let part = bytes[position..<min(position + size, bytes.count)]
                if let end = search.feed(part) { found = position + end }
                position += part.count
            }
            #expect(found == 13)
        }
    }

    @Test func emptyTextIsThereAtOnce() {
        var search = StreamSearch("")
        #expect(search.feed([UInt8]()) == 0)
    }

    @Test func agreesWithASimpleSearch() {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<2_000 {
            let text = (0..<Int.random(in: 0...24, using: &generator)).map { _ in
                UInt8.random(in: 97...98, using: &generator)
            }
            let needle = (0..<Int.random(in: 1...5, using: &generator)).map { _ in
                UInt8.random(in: 97...98, using: &generator)
            }
            var search = StreamSearch(String(decoding: needle, as: UTF8.self))
            let simple = (0...text.count).first {
                $0 + needle.count <= text.count && Array(text[$0..<$0 + needle.count]) == needle
            }
            #expect(search.feed(text) == simple.map { $0 + needle.count })
        }
    }
}

/// A reproducible generator (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
