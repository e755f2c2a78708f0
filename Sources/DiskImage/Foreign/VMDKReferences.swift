/// Examines the files that a vmdk names, before QEMU opens them.
///
/// QEMU reads a descriptor loosely, so this reads it more loosely still: whatever QEMU could take for a file's name is checked.
struct VMDKReferences {
    private static let maximumDepth = 32
    /// Where QEMU looks for the parent of a sparse file: 20 sectors after the header.
    private static let embeddedDescriptor = 512..<512 + 20 * 512
    /// As much of a descriptor as QEMU reads.
    private static let maximumDescriptor: UInt64 = 1 << 20

    let scope: ReferenceScope
    private var depth = 0

    init(scope: ReferenceScope) { self.scope = scope }

    /// Checks a file, its extents and its parents.
    ///
    /// - Returns: Whether it has a parent.
    /// - Throws: `.forbiddenReference`, `.unsupported`, `.wrongFormat`, `.corrupt`, `.backingUnavailable`.
    func check(_ file: ImageFile) throws(DiskImageError) -> Bool {
        let size = try file.size()
        let magic = try file.bytes(at: 0, count: Int(min(size, 20)), what: "magic of a vmdk")
        if Self.isSparse(magic) {
            try checkSparse(magic, file)
            let range = Self.embeddedDescriptor
            let end = min(size, UInt64(range.upperBound))
            guard end > UInt64(range.lowerBound) else { return false }
            let text = try file.bytes(
                at: UInt64(range.lowerBound), count: Int(end) - range.lowerBound, what: "descriptor of a vmdk")
            return try checkParent(text, file)
        }
        guard magic.starts(with: "# Disk Descri".utf8) else {
            throw DiskImageError(
                .wrongFormat,
                "\(file.path) is not a vmdk image (it begins neither with KDMV or COWD nor with a descriptor); give its right format"
            )
        }
        let text = try file.bytes(
            at: 0, count: Int(min(size, Self.maximumDescriptor)), what: "descriptor of a vmdk")
        for name in Self.extentNames(text) {
            let extent = try open(name, file)
            // QEMU opens a flat extent as plain bytes, and a sparse one by its own header.
            let head = try extent.bytes(at: 0, count: Int(min(try extent.size(), 20)), what: "magic of a vmdk extent")
            if Self.isSparse(head) { try checkSparse(head, extent) }
        }
        return try checkParent(text, file)
    }

    private static func isSparse(_ magic: [UInt8]) -> Bool {
        magic.starts(with: "KDMV".utf8) || magic.starts(with: "COWD".utf8)
    }

    /// QEMU takes a sparse file with a capacity of 0 for one more descriptor.
    private func checkSparse(_ magic: [UInt8], _ file: ImageFile) throws(DiskImageError) {
        guard magic.starts(with: "KDMV".utf8) else { return }
        guard magic.count == 20, magic[12..<20].contains(where: { $0 != 0 }) else {
            throw file.corrupt("the vmdk has a capacity of 0", at: 12)
        }
    }

    private func checkParent(_ text: [UInt8], _ file: ImageFile) throws(DiskImageError) -> Bool {
        let names = Self.parentNames(text)
        for name in names {
            guard depth < Self.maximumDepth else {
                throw DiskImageError(
                    .backingLoop,
                    "\(file.path) has more than \(Self.maximumDepth) parents; merge them where it was made")
            }
            var below = self
            below.depth += 1
            _ = try below.check(try open(name, file))
        }
        return !names.isEmpty
    }

    private func open(_ name: [UInt8], _ file: ImageFile) throws(DiskImageError) -> ImageFile {
        guard name.count < 512, let text = String(validating: name, as: UTF8.self), !text.contains("\0") else {
            throw file.corrupt("it names a file with a name of more than 511 bytes, or one that is no UTF-8", at: 0)
        }
        let path = try BackingChain.path(of: text, namedBy: file.path)
        // "file:" would be taken off here, and by QEMU in some places only.
        guard !text.hasPrefix("file:") else {
            throw DiskImageError(
                .forbiddenReference, "\(file.path) names the file \"\(text)\"; write it as a plain path")
        }
        return try ImageFile(path: scope.resolve(path, namedBy: file.path))
    }

    /// Names after `RW`, a number and a word, in whatever white space: the lines `RW 1000 SPARSE "name"`.
    ///
    /// Names are cut after 512 bytes, one more than QEMU takes.
    static func extentNames(_ text: [UInt8]) -> [[UInt8]] {
        var names: [[UInt8]] = []
        for start in text.indices.dropLast(2)
        where text[start] == UInt8(ascii: "R") && text[start + 1] == UInt8(ascii: "W") && isSpace(text[start + 2]) {
            var rest = text[(start + 2)...]
            rest = rest.drop(while: isSpace)
            rest = rest.drop { (48...57).contains($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
            rest = rest.drop(while: isSpace)
            // The word, of at most 10 characters, and the quotation mark may touch.
            rest = rest.dropFirst(rest.prefix(16).prefix { !isSpace($0) && $0 != UInt8(ascii: "\"") }.count)
            rest = rest.drop(while: isSpace)
            guard rest.first == UInt8(ascii: "\"") else { continue }
            let name = rest.dropFirst().prefix(512).prefix { $0 != UInt8(ascii: "\"") && $0 != 10 && $0 != 13 }
            if !name.isEmpty { names.append(Array(name)) }
        }
        return names
    }

    /// What stands between quotation marks after each `parentFileNameHint=`; cut after 1024 bytes, one more than QEMU takes.
    static func parentNames(_ text: [UInt8]) -> [[UInt8]] {
        let key = Array("parentFileNameHint".utf8)
        var names: [[UInt8]] = []
        for start in text.indices where text[start] == key[0] && text[start...].starts(with: key) {
            // As QEMU: the two characters after the key are skipped, whatever they are.
            let rest = text[start...].dropFirst(key.count + 2).prefix(1024)
            let name = rest.prefix { $0 != UInt8(ascii: "\"") && $0 != 0 }
            if !name.isEmpty { names.append(Array(name)) }
        }
        return names
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
}
