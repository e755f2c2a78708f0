import VMState

/// The bits of QEMU's `hflags` that TCG derives from other state when it changes, and KVM does not keep.
///
/// Source: QEMU `target/i386` (`cpu_sync_avx_hflag`, `cpu_sync_bndcs_hflags`, `cpu_x86_update_cr4`, `cpu_load_efer`).
struct HiddenFlags: Sendable {
    /// A derived bit.
    struct Bit: Sendable {
        let name: String
        let number: Int
        /// What happens to a guest if the bit is missing.
        let effect: String
        var mask: UInt32 { 1 << UInt32(number) }
    }

    static let avx = Bit(name: "AVX_EN", number: 28, effect: "every AVX instruction raises #UD; user space dies")
    static let umip = Bit(name: "UMIP", number: 27, effect: "user mode may execute SGDT and the like")
    static let smap = Bit(name: "SMAP", number: 23, effect: "the kernel is not kept from user pages")
    static let svme = Bit(name: "SVME", number: 20, effect: "SVM instructions raise #UD")
    static let mpx = Bit(name: "MPX_EN", number: 25, effect: "bounds instructions do nothing")
    /// All derived bits.
    static let bits = [avx, umip, smap, svme, mpx]
    private static let mask = bits.reduce(UInt32(0)) { $0 | $1.mask }

    /// `hflags` as they should be for the rest of a CPU's state.
    static func expected(_ cpu: CPUSection) throws(VMStateError) -> UInt32 {
        let hasXSAVE = cpu.cr4 & 1 << 18 != 0
        var flags = cpu.hflags & ~mask
        if hasXSAVE, cpu.xcr0 & 6 == 6 { flags |= avx.mask }
        if cpu.cr4 & 1 << 11 != 0 { flags |= umip.mask }
        if cpu.cr4 & 1 << 21 != 0 { flags |= smap.mask }
        if cpu.efer & 1 << 12 != 0 { flags |= svme.mask }
        if hasXSAVE, cpu.xcr0 & 1 << 4 != 0, try boundsConfiguration(cpu) & 1 != 0 { flags |= mpx.mask }
        return flags
    }

    /// The configuration register of MPX that is in force.
    private static func boundsConfiguration(_ cpu: CPUSection) throws(VMStateError) -> UInt64 {
        guard cpu.hasSubsection("cpu/mpx") else { return 0 }
        return try cpu.unsigned(cpu.privilegeLevel == 3 ? "cpu/mpx.env.bndcs_regs.cfgu" : "cpu/mpx.env.msr_bndcfgs")
    }
}
