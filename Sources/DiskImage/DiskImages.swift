/// Opens images with everything below them.
package enum DiskImages {
    /// Formats that are read, named as QEMU names them.
    package enum Format: String, Sendable, CaseIterable {
        case raw, qcow2
        /// VMware; read through `qemu-nbd`, like those that follow.
        case vmdk
        /// VirtualBox.
        case vdi
        /// Hyper-V.
        case vhdx
        /// VHD: Virtual PC, old Hyper-V, Azure.
        case vpc
        case parallels
    }

    /// Opens an image and its whole backing chain.
    ///
    /// - Parameters:
    ///   - path: The topmost file.
    ///   - format: nil to probe by magic. A guest can write any magic to its raw disk: give the format for a file that is known to be raw.
    ///   - references: Which further files the image may name.
    /// - Throws: `.cannotOpen`, `.wrongFormat`, `.unsupported`, `.corrupt`, `.truncated`, `.backingUnavailable`, `.backingLoop`,
    ///   `.forbiddenReference`, `.toolFailed`.
    package static func open(
        path: String, format: Format? = nil, references: ReferencePolicy = .sameDirectory
    ) throws(DiskImageError) -> any DiskImage {
        let file = try ImageFile(path: path)
        let found: Format = if let format { format } else { try FormatProbe.format(of: file) }
        switch found {
        case .raw: return try RawImage(file: file)
        case .qcow2: return try Qcow2Image(file: file).activeView(references: references)
        case .vmdk, .vdi, .vhdx, .vpc, .parallels:
            return try ForeignImage(file: file, format: found, scope: ReferenceScope(references, top: path))
        }
    }

    /// The format of a file by its magic bytes; whatever has none is raw.
    ///
    /// - Throws: `.cannotOpen`, `.io`.
    package static func probe(path: String) throws(DiskImageError) -> Format {
        try FormatProbe.format(of: ImageFile(path: path))
    }
}
