import Glibc

/// Searches guest memory for messages of the Linux kernel (see the module's documentation).
package struct KernelLogScanner {
    /// Occurrences of one message and kind beyond this number are not listed.
    package var limit = 32

    private static let pageSize = 4096
    /// Bytes kept of the page before, and looked at after a text: more than any text with what surrounds it.
    private static let margin = 128
    /// Bytes behind a text that are needed to judge it: up to the id of the next block.
    private static let context = 32

    /// Makes a scanner.
    package init() {}

    /// Searches all pages once.
    ///
    /// Memory use is a few pages; the time is that of reading the pages which are not zero.
    package func scan(_ memory: some GuestMemory) throws -> [KernelLogEvidence] {
        var found: [KernelLogEvidence] = []
        // [margin of the page before][page]; occurrences are judged when at least a margin of bytes follows them.
        var window = [UInt8](repeating: 0, count: Self.margin + Self.pageSize)
        for range in memory.pages {
            // A text at the end of a range is judged with zeros behind it, hence one round more than pages.
            var previousIsZero = true
            Self.clear(&window, from: 0)
            var page = range.lowerBound
            while page <= range.upperBound {
                let hasData =
                    try page < range.upperBound
                    && window.withUnsafeMutableBytes { bytes in
                        try memory.read(
                            page: page, into: UnsafeMutableRawBufferPointer(rebasing: bytes[Self.margin...]))
                    }
                if hasData || !previousIsZero {
                    if !hasData { Self.clear(&window, from: Self.margin) }
                    let (base, _) = (page &* UInt64(Self.pageSize)).subtractingReportingOverflow(UInt64(Self.margin))
                    search(window, base: base, &found)
                    let tail = Array(window[Self.pageSize...])
                    window.replaceSubrange(0..<Self.margin, with: tail)
                }
                previousIsZero = !hasData
                page += 1
            }
        }
        return found.sorted { ($0.address, $0.text) < ($1.address, $1.text) }
    }

    private static func clear(_ window: inout [UInt8], from start: Int) {
        window.withUnsafeMutableBytes { bytes in
            _ = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    /// Searches a window; `base` is the address of its first byte.
    private func search(_ window: [UInt8], base: UInt64, _ found: inout [KernelLogEvidence]) {
        for (first, candidates) in Self.candidates {
            var start = 0
            while let place = Self.find(first, in: window, from: start) {
                start = place + 1
                for (message, text) in candidates {
                    let end = place + text.count
                    // Judged are those with enough behind them that were not judged in the window before: for the end of
                    // a window comes again as the beginning of the next one.
                    guard end + Self.context <= window.count, end + Self.context > Self.margin,
                        window[place..<end].elementsEqual(text)
                    else { continue }
                    let address = base &+ UInt64(place)
                    let kind = Self.judge(window, place, length: text.count, address: address)
                    guard found.count(where: { $0.message == message && $0.kind == kind }) < limit else { continue }
                    found.append(
                        KernelLogEvidence(
                            message: message, kind: kind, address: address, text: String(decoding: text, as: UTF8.self))
                    )
                }
            }
        }
    }

    /// All texts, by their first byte.
    private static let candidates: [(UInt8, [(KernelMessage, [UInt8])])] = {
        let all = KernelMessage.allCases.flatMap { message in message.texts.map { (message, Array($0.utf8)) } }
        let firsts = Set(all.compactMap { $0.1.first }).sorted()
        return firsts.map { first in (first, all.filter { $0.1.first == first }) }
    }()

    /// Place of a byte, using the C library's search.
    private static func find(_ byte: UInt8, in window: [UInt8], from start: Int) -> Int? {
        window.withUnsafeBytes { bytes in
            // The pointers are used during the call only, and the length is that of the buffer.
            guard let base = bytes.baseAddress, start < bytes.count,
                let hit = memchr(base + start, Int32(byte), bytes.count - start)
            else { return nil }
            return UnsafeRawPointer(hit) - base
        }
    }

    /// What an occurrence is.
    private static func judge(
        _ window: [UInt8], _ place: Int, length: Int, address: UInt64
    ) -> KernelLogEvidence.Kind {
        let end = place + length
        func number(_ offset: Int, _ size: Int) -> UInt64? {
            guard offset >= 0, offset + size <= window.count else { return nil }
            return (0..<size).reduce(0) { $0 | UInt64(window[offset + $1]) << UInt64(8 * $1) }
        }
        if place >= 2, window[place - 2] == 1, isLevel(window[place - 1]) { return .formatString }
        if address % 8 == 0, let id = number(place - 8, 8), id != 0 {
            // What is left behind a text when prefix and newline are taken away in place.
            if window[end..<end + 3].elementsEqual(window[end - 2..<end] + [0x0a]) { return .record }
            for gap in [0, 8, 16] {
                if let next = number(place + (length + 7) / 8 * 8 + gap, 8), next > id, next - id <= 16 {
                    return .record
                }
            }
        }
        for header in [16, 20] where address % 4 == 0 {
            guard let recordLength = number(place - header + 8, 2), let textLength = number(place - header + 10, 2)
            else { continue }
            if textLength == UInt64(length), recordLength >= textLength + UInt64(header), recordLength < 1024 {
                return .record
            }
        }
        return .copy
    }

    /// The second byte of a level prefix: `KERN_EMERG` to `KERN_DEBUG`, default, continuation.
    private static func isLevel(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte) || byte == UInt8(ascii: "d") || byte == UInt8(ascii: "c")
    }
}
