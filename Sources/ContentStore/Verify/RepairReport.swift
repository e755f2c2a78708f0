/// Where a repair takes lost objects from.
package enum RepairSource {
    /// Another store, such as an older copy of this one.
    case store(ContentStore)
    /// A bundle in a file. Its base need not be here.
    case bundle(path: String)
    /// A disk or RAM image as the guest sees it.
    case image(RepairImage)
}

/// The bytes of a disk or RAM image that may hold what was lost.
package struct RepairImage {
    package var kind: TreeKind
    /// The length in bytes. Nodes of trees can only be made again from an image of the same length and contents.
    package var length: UInt64
    /// Fills a buffer with the bytes from an offset on; the range lies within the image.
    package var read: (_ offset: UInt64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Void

    package init(
        kind: TreeKind, length: UInt64, read: @escaping (UInt64, UnsafeMutableRawBufferPointer) throws -> Void
    ) {
        self.kind = kind
        self.length = length
        self.read = read
    }
}

/// What a repair found and did.
package struct RepairReport: Hashable, Sendable, Codable {
    /// A pack that was moved out of the way.
    package struct Quarantined: Hashable, Sendable, Codable {
        package var pack: Digest
        /// Where its bytes are now, relative to the store.
        package var file: String
        /// It was made again, bit for bit, under its name.
        package var isReplaced: Bool

        package init(pack: Digest, file: String, isReplaced: Bool) {
            self.pack = pack
            self.file = file
            self.isReplaced = isReplaced
        }
    }

    /// What was wrong before.
    package var before: VerifyReport
    package var quarantined: [Quarantined] = []
    /// Sound objects of damaged packs that were put into fresh ones.
    package var rescuedObjects: UInt64 = 0
    /// Objects that were lost and came from one of the sources.
    package var repairedObjects: UInt64 = 0
    /// Why a source could not be used, or not to its end.
    package var sourceErrors: [String] = []
    /// What is still wrong, with the refs that are affected: for a store that is sound again, nothing.
    package var after: VerifyReport

    package init(before: VerifyReport, after: VerifyReport) {
        self.before = before
        self.after = after
    }

    /// Everything that refs need is there and whole.
    package var isSound: Bool { after.isSound }
}
