/// The order and the flags of all records of a stream's RAM section, for a byte-exact repetition.
///
/// 16 bytes per record; page contents are not in it.
package struct RAMRecordLog: Sendable, Hashable {
    /// One step of the stream.
    struct Entry: Sendable, Hashable {
        enum Kind: UInt8, Sendable {
            /// Header of a START, PART or END section.
            case start, part, end
            /// A RAM record.
            case record
            /// A COMMAND; `extra` is its place in `blobs`.
            case command
        }

        var kind: Kind
        /// Fill byte of a ZERO record.
        var fill: UInt8 = 0
        /// Which block.
        var block: UInt16 = 0
        /// Place in `blobs` of a command's or XBZRLE record's bytes.
        var extra: UInt32 = 0
        /// Offset and flags as in the stream.
        var header: UInt64 = 0
    }

    /// All steps in order.
    var entries: [Entry] = []
    /// Bytes of commands and XBZRLE records.
    var blobs: [[UInt8]] = []

    /// An empty log.
    package init() {}

    /// Number of RAM records, EOS included.
    package var recordCount: Int { entries.reduce(0) { $1.kind == .record ? $0 + 1 : $0 } }

    /// Number of pages with contents, including those sent again.
    package var pageCount: Int {
        entries.reduce(0) {
            $1.kind == .record && StreamFormat.RAMFlags(rawValue: $1.header).contains(.page) ? $0 + 1 : $0
        }
    }

    mutating func append(_ entry: Entry, blob: [UInt8]? = nil) {
        var entry = entry
        if let blob {
            entry.extra = UInt32(truncatingIfNeeded: blobs.count)
            blobs.append(blob)
        }
        entries.append(entry)
    }
}

extension RAMRecordLog {
    /// For each record that carries page contents, in order: whether it is a difference (XBZRLE).
    package var isDelta: [Bool] {
        entries.compactMap { entry in
            guard entry.kind == .record else { return nil }
            let flags = StreamFormat.RAMFlags(rawValue: entry.header)
            if flags.contains(.xbzrle) { return true }
            return flags.contains(.page) ? false : nil
        }
    }
}
