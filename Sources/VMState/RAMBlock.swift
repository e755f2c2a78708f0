/// A block of guest RAM or ROM, as the stream lists it.
package struct RAMBlock: Sendable, Hashable {
    /// Name, for example `pc.ram`.
    package var idstr: String
    /// Bytes in use, a multiple of 4096.
    package var usedLength: UInt64

    /// Makes a block.
    package init(idstr: String, usedLength: UInt64) {
        self.idstr = idstr
        self.usedLength = usedLength
    }

    /// Number of 4 KiB pages.
    package var pageCount: UInt64 { usedLength / UInt64(StreamFormat.pageSize) }
}

/// The RAM section without its contents.
package struct RAMSection: Sendable, Hashable {
    /// Number of the section in the stream.
    package var sectionID: UInt32
    /// Which of several sections named `ram`; QEMU has one, number 0.
    package var instanceID: UInt32
    /// Version of the section's format: 4.
    package var versionID: UInt32
    /// The blocks, in the order of the stream.
    package var blocks: [RAMBlock]

    /// Makes a RAM section.
    package init(sectionID: UInt32, instanceID: UInt32 = 0, versionID: UInt32 = 4, blocks: [RAMBlock]) {
        self.sectionID = sectionID
        self.instanceID = instanceID
        self.versionID = versionID
        self.blocks = blocks
    }
}
