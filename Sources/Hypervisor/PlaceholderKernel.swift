/// A file that QEMU accepts as `-kernel` for a guest that is resumed and never boots it.
///
/// With `-kernel`, QEMU adds the option ROM that starts the kernel, and the ROM is a RAM block of the machine: without
/// the option a stream that was saved with it does not load. The kernel's bytes themselves are not part of the stream.
enum PlaceholderKernel {
    /// A Linux boot sector and setup code of zeros (Linux, Documentation/arch/x86/boot.rst): no code to run.
    static var bytes: [UInt8] {
        let sectors = 4  // of setup code, behind the boot sector
        var image = [UInt8](repeating: 0, count: (sectors + 2) * 512)
        image[0x1f1] = UInt8(sectors)  // setup_sects
        image[0x1fe] = 0x55  // boot_flag
        image[0x1ff] = 0xaa
        image.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
        image[0x206] = 0x0f  // version 2.15, as today's kernels: QEMU chooses the same option ROM
        image[0x207] = 0x02
        image[0x211] = 0x01  // loadflags: LOADED_HIGH
        return image
    }
}
