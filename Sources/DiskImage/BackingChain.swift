/// Resolves backing files downwards, each at most once.
struct BackingChain {
    /// Longest chain that is opened.
    static let maximumLength = 200

    private var visited: Set<ImageFile.Identity>
    private let scope: ReferenceScope

    init(top: ImageFile, references: ReferencePolicy) throws(DiskImageError) {
        visited = [top.identity]
        scope = try ReferenceScope(references, top: top.path)
    }

    /// Puts the backing chain of `image` under one of its layers.
    func putUnder(_ top: Qcow2Layer, of image: Qcow2Image) throws(DiskImageError) -> any DiskImage {
        var chain = self
        var layers: [any DiskImage] = [top]
        var current: Qcow2Image? = image
        while let upper = current, let name = upper.backingFile {
            let file = try chain.open(name, namedBy: upper.path)
            current = nil
            let format = try chain.format(upper.backingFormat, of: file, namedBy: upper.path)
            switch format {
            case .raw: layers.append(try RawImage(file: file))
            case .vmdk, .vdi, .vhdx, .vpc, .parallels:
                layers.append(try ForeignImage(file: file, format: format, scope: chain.scope))
            case .qcow2:
                let lower = try Qcow2Image(file: file)
                layers.append(try lower.activeLayer())
                current = lower
            }
        }
        var result = layers.removeLast()
        while let layer = layers.popLast() { result = LayeredImage(layer, over: result) }
        return result
    }

    private mutating func open(_ name: String, namedBy upper: String) throws(DiskImageError) -> ImageFile {
        let path = try scope.resolve(Self.path(of: name, namedBy: upper), namedBy: upper)
        let file: ImageFile
        do throws(DiskImageError) { file = try ImageFile(path: path) } catch {
            throw DiskImageError(
                .backingUnavailable,
                "the backing file \"\(name)\" of \(upper) cannot be opened; put it in place or change the name with qemu-img rebase -u",
                cause: error.description)
        }
        guard visited.insert(file.identity).inserted else {
            throw DiskImageError(
                .backingLoop,
                "\(upper) names \"\(name)\", which is already above it in the backing chain; correct it with qemu-img rebase -u"
            )
        }
        guard visited.count <= Self.maximumLength else {
            throw DiskImageError(
                .backingLoop,
                "the backing chain has more than \(Self.maximumLength) images (at \(upper)); shorten it with qemu-img convert or commit"
            )
        }
        return file
    }

    private func format(_ name: String?, of file: ImageFile, namedBy upper: String) throws(DiskImageError)
        -> DiskImages.Format
    {
        guard let name else { return try FormatProbe.format(of: file) }
        guard let format = DiskImages.Format(rawValue: name) else {
            throw DiskImageError(
                .unsupported,
                "the backing file \(file.path) of \(upper) has format \"\(name)\", which is not read; convert it with qemu-img"
            )
        }
        return format
    }

    /// The path of a backing file: relative names count from the directory of the file that names it.
    static func path(of name: String, namedBy upper: String) throws(DiskImageError) -> String {
        var path = Substring(name)
        // As QEMU: a colon before the first slash ends a protocol's name.
        if let mark = name.firstIndex(where: { $0 == ":" || $0 == "/" }), name[mark] == ":" {
            guard name[..<mark] == "file", !name.contains("\0") else {
                throw DiskImageError(
                    .backingUnavailable,
                    "\(upper) has the backing file \"\(name)\", which is not a local path; read the layer alone, or make a plain copy with qemu-img convert"
                )
            }
            path = name[name.index(after: mark)...]
        }
        if path.hasPrefix("/") { return String(path) }
        guard let slash = upper.lastIndex(of: "/") else { return String(path) }
        return "\(upper[...slash])\(path)"
    }
}
