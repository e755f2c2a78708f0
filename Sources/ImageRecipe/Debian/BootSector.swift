/// Makes a disk with one partition boot: a master boot record and GRUB behind it.
///
/// Layout (GRUB's manual, "BIOS installation"; the partition table of IBM-compatible PCs):
///
/// | sectors | content |
/// |---|---|
/// | 0 | GRUB's `boot.img` with the partition table at byte 446; it loads sector 1 |
/// | 1 ... 2047 | GRUB's `core.img`; its first sector names the rest as the block list that `grub-mkimage` wrote |
/// | 2048 ... | the partition, type 0x83, active |
package enum BootSector {
    package static let sectorSize = 512
    /// The sector that the partition begins at: 1 MiB, as partitioning tools align it.
    package static let partitionStart = 2048

    /// The bytes from the disk's beginning to the end of GRUB.
    ///
    /// - Parameters:
    ///   - boot: `boot.img`, one sector.
    ///   - core: `core.img`, as `grub-mkimage` writes it for `i386-pc`.
    ///   - signature: the disk's identifier.
    /// - Throws: `unsuitablePackage` when the files of GRUB are not what this layout takes.
    package static func make(
        boot: [UInt8], core: [UInt8], diskSectors: Int, signature: UInt32
    ) throws(RecipeError) -> [UInt8] {
        guard boot.count == sectorSize, Array(boot.suffix(2)) == [0x55, 0xAA] else {
            throw RecipeError(.unsuitablePackage, "GRUB's boot.img is no boot sector; the package 'grub-pc-bin' changed.")
        }
        guard core.count > sectorSize, core.count <= (partitionStart - 1) * sectorSize,
            // The first entry of the block list, at the end of core.img's first sector: continue at sector 2.
            Array(core[500..<508]) == [2, 0, 0, 0, 0, 0, 0, 0]
        else {
            throw RecipeError(
                .unsuitablePackage, "GRUB's core.img does not fit before the partition, or loads another place than "
                    + "sector 2; the package 'grub-pc-bin' changed.")
        }
        let sectors = UInt32(clamping: diskSectors - partitionStart)
        var bytes = boot
        bytes.replaceSubrange(440..<446, with: littleEndian(signature) + [0, 0])
        let entry: [UInt8] =
            // Addresses by cylinder and head say "beyond": every reader uses the sector numbers.
            [0x80, 0xFE, 0xFF, 0xFF, 0x83, 0xFE, 0xFF, 0xFF] + littleEndian(UInt32(partitionStart))
            + littleEndian(sectors)
        bytes.replaceSubrange(446..<510, with: entry + [UInt8](repeating: 0, count: 48))
        return bytes + core
    }

    private static func littleEndian(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
}
