/// Machine code with labels: just enough of an assembler for the trial guest.
struct MachineCode {
    private enum Reference {
        /// The distance from the end of the 4-byte field.
        case relative
        /// The address itself, 4 bytes.
        case absolute
    }

    /// Where the first byte will be in memory.
    let origin: UInt32
    private(set) var bytes: [UInt8] = []
    private var labels: [String: UInt32] = [:]
    private var references: [(offset: Int, label: String, kind: Reference)] = []

    init(origin: UInt32) { self.origin = origin }

    /// Appends bytes.
    mutating func emit(_ values: UInt8...) { bytes += values }

    /// Appends bytes and a 4-byte constant.
    mutating func emit(_ values: UInt8..., constant: UInt32) {
        bytes += values
        append(constant)
    }

    /// Appends bytes and the distance to a label, for jumps and calls.
    mutating func emit(_ values: UInt8..., to label: String) { refer(values, label, .relative) }

    /// Appends bytes and the address of a label.
    mutating func emit(_ values: UInt8..., addressOf label: String) { refer(values, label, .absolute) }

    /// Gives the present position a name.
    mutating func label(_ name: String) { labels[name] = origin + UInt32(bytes.count) }

    /// The code with all labels filled in.
    ///
    /// - Throws: ``HypervisorError`` when a label is not defined.
    func linked() throws(HypervisorError) -> (bytes: [UInt8], labels: [String: UInt32]) {
        var result = bytes
        for (offset, label, kind) in references {
            guard let target = labels[label] else {
                throw HypervisorError(.invalidConfiguration, "The trial guest refers to an unknown label '\(label)'.")
            }
            let value = kind == .absolute ? target : target &- (origin + UInt32(offset) + 4)
            for index in 0..<4 { result[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
        }
        return (result, labels)
    }

    private mutating func refer(_ values: [UInt8], _ label: String, _ kind: Reference) {
        bytes += values
        references.append((bytes.count, label, kind))
        append(0)
    }

    private mutating func append(_ value: UInt32) {
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
}
