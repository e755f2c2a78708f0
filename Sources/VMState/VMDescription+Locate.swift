extension VMDescription {
    /// A description and where it stands.
    struct Located {
        var description: VMDescription
        /// Offset in the stream of the type byte.
        var offset: UInt64
    }

    /// Searches for the description backwards from the end of a stream, over padding; nil if there is none.
    ///
    /// It is the only part whose length can be found from its end: its JSON text contains no byte 6, and its length field
    /// has to lead exactly to the end.
    static func locate(in source: some ByteSource, limits: StreamLimits) throws(VMStateError) -> Located? {
        guard let end = try endOfText(source, limits) else { return nil }
        var window = 256 << 10
        while true {
            let length = Int(min(UInt64(window), end))
            let start = end - UInt64(length)
            let bytes = try source.bytes(at: start, length: length)
            if let index = typeByte(bytes) {
                let text = Array(bytes[(index + 5)...])
                do throws(VMStateError) {
                    return Located(description: try VMDescription(text: text), offset: start + UInt64(index))
                } catch {
                    var located = error
                    located.offset = located.offset ?? start + UInt64(index)
                    throw located
                }
            }
            if length < window || window >= limits.description { return nil }
            window = min(window * 4, limits.description)
        }
    }

    /// Offset after the last byte that is not padding, if that byte can end a JSON text.
    private static func endOfText(_ source: some ByteSource, _ limits: StreamLimits) throws(VMStateError) -> UInt64? {
        var end = source.count
        let lowest = end - min(end, UInt64(limits.padding))
        while end > lowest {
            let length = Int(min(64 << 10, end - lowest))
            let bytes = try source.bytes(at: end - UInt64(length), length: length)
            if let last = bytes.lastIndex(where: { $0 != 0 }) {
                return bytes[last] == UInt8(ascii: "}") ? end - UInt64(length - last - 1) : nil
            }
            end -= UInt64(length)
        }
        return nil
    }

    /// Place of the type byte whose length field leads to the end of `bytes`.
    private static func typeByte(_ bytes: [UInt8]) -> Int? {
        var index = bytes.count - 6
        while index >= 1 {
            if bytes[index] == StreamFormat.SectionType.description.rawValue, bytes[index - 1] == 0,
                bytes[index + 5] == UInt8(ascii: "{"),
                bytes[index + 1..<index + 5].reduce(0, { $0 << 8 | Int($1) }) == bytes.count - index - 5
            {
                return index
            }
            index -= 1
        }
        return nil
    }
}
