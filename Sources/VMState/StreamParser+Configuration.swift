extension StreamParser {
    /// The configuration section; its type byte comes next.
    mutating func configuration() throws(VMStateError) -> StreamConfiguration {
        _ = try cursor.byte("the configuration")
        let place = cursor.offset
        let length: UInt32 = try cursor.integer("the configuration")
        guard length <= UInt32(clamping: limits.machineName) else {
            throw VMStateError(.limit, "the machine name has \(length) bytes", offset: place, section: "configuration")
        }
        let name = try cursor.bytes(Int(length), "the machine name")
        guard let machine = String(validating: name, as: UTF8.self), name.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw VMStateError(.malformed, "the machine name is no text", offset: place, section: "configuration")
        }
        var result = StreamConfiguration(machine: machine)
        while try cursor.peek() == StreamFormat.SectionType.subsection.rawValue {
            result.subsections.append(try configurationSubsection())
        }
        if !sharedBlocks.isEmpty {
            guard result.capabilities.contains(StreamConfiguration.ignoreShared) else {
                throw VMStateError(
                    .inconsistent, "the stream was to leave out shared memory, but it does not",
                    section: "configuration")
            }
            result.remove(capability: StreamConfiguration.ignoreShared)
        }
        // The model is that of an ordinary stream.
        isMapped = result.capabilities.contains(StreamConfiguration.mappedRAM)
        result.remove(capability: StreamConfiguration.mappedRAM)
        if let capability = result.capabilities.first {
            throw VMStateError(
                .unsupported, "the stream needs the migration capability \(capability); migrate again without it",
                section: "configuration")
        }
        return result
    }

    private mutating func configurationSubsection() throws(VMStateError) -> StreamConfiguration.Subsection {
        let place = cursor.offset
        _ = try cursor.byte("a subsection")
        let name = try cursor.shortString("a subsection's name")
        let version: UInt32 = try cursor.integer("a subsection")
        switch name {
        case "configuration/target-page-bits":
            let bits: UInt32 = try cursor.integer("the page bits")
            guard bits == 12 else {
                throw VMStateError(.unsupported, "the target's pages have \(bits) bits; x86 has 12", offset: place)
            }
            return .targetPageBits(bits, version: version)
        case "configuration/capabilities":
            let count: UInt32 = try cursor.integer("the capabilities")
            guard count <= 256 else {
                throw VMStateError(.limit, "\(count) capabilities", offset: place, section: "configuration")
            }
            var names: [String] = []
            for _ in 0..<count { names.append(try cursor.shortString("a capability")) }
            return .capabilities(names, version: version)
        case "configuration/uuid":
            return .uuid(try cursor.bytes(16, "the UUID"), version: version)
        default:
            throw VMStateError(
                .unsupported, "unknown subsection \(name); it cannot be stepped over", offset: place,
                section: "configuration")
        }
    }
}
