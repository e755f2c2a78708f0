/// Recognises formats by their magic bytes (the table in the catalogue, "What a file is").
enum FormatProbe {
    private static let vhdCookie = Array("conectix".utf8)

    static func format(of file: ImageFile) throws(DiskImageError) -> DiskImages.Format {
        let size = try file.size()
        let head = try file.bytes(at: 0, count: Int(min(size, 512)), what: "magic")
        func has(_ magic: some Collection<UInt8>, at offset: Int = 0) -> Bool {
            head.dropFirst(offset).starts(with: magic)
        }
        if has(Qcow2Header.magic) { return .qcow2 }
        if has("KDMV".utf8) || has("COWD".utf8) || has("# Disk DescriptorFile".utf8) { return .vmdk }
        if has("vhdxfile".utf8) { return .vhdx }
        if has(vhdCookie) { return .vpc }
        if has([0x7f, 0x10, 0xda, 0xbe], at: 64) { return .vdi }
        if has("WithoutFreeSpace".utf8) || has("WithouFreSpacExt".utf8) { return .parallels }
        if size > 512, size % 512 == 0 {
            let footer = try file.bytes(at: size - 512, count: 512, what: "last sector")
            if isFixedVHDFooter(footer, diskSize: size - 512) { return .vpc }
        }
        return .raw
    }

    /// Refuses a differencing disk, whose parent QEMU would not look for.
    static func checkVHD(_ file: ImageFile) throws(DiskImageError) {
        let size = try file.size()
        let head = try file.bytes(at: 0, count: Int(min(size, 512)), what: "VHD footer")
        let footer =
            head.starts(with: vhdCookie) || size < 512
            ? head : try file.bytes(at: size - 512, count: 512, what: "VHD footer")
        guard footer.count == 512, footer.starts(with: vhdCookie) else {
            throw DiskImageError(
                .wrongFormat,
                "\(file.path) is not a VHD (vpc) image (no \"conectix\" at its beginning or end); give its right format"
            )
        }
        guard type(of: footer) != 4 else {
            throw DiskImageError(
                .unsupported,
                "\(file.path) is a differencing VHD, which holds only changes of another one; merge them first where it was made"
            )
        }
    }

    /// VHD specification, "Hard Disk Footer Format": sizes at 40 and 48, type at 60, checksum at 64.
    private static func isFixedVHDFooter(_ footer: [UInt8], diskSize: UInt64) -> Bool {
        guard footer.starts(with: vhdCookie), type(of: footer) == 2, field(footer, 48, 8) == diskSize else {
            return false
        }
        var sum: UInt32 = 0
        for (index, byte) in footer.enumerated() where !(64..<68).contains(index) { sum &+= UInt32(byte) }
        return UInt64(~sum) == field(footer, 64, 4)
    }

    private static func type(of footer: [UInt8]) -> UInt64 { field(footer, 60, 4) }

    private static func field(_ footer: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        footer[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
