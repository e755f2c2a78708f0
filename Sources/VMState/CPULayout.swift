/// The fixed part of the section `cpu`, version 12, of x86-64 guests, as QEMU 7.2 to 10.0 write it.
///
/// 1817 bytes in the order of `vmstate_x86_cpu`; names as in the stream's description.
enum CPULayout {
    /// A field of the fixed part.
    struct Field: Sendable {
        let name: String
        let offset: Int
        let elementSize: Int
        let count: Int
    }

    /// Bytes of the fixed part; subsections follow.
    static let size = 1817
    /// Version of the section that has this layout.
    static let version: UInt32 = 12

    /// All fields in order.
    static let fields: [Field] = [
        Field(name: "env.regs", offset: 0x000, elementSize: 8, count: 16),
        Field(name: "env.eip", offset: 0x080, elementSize: 8, count: 1),
        Field(name: "env.eflags", offset: 0x088, elementSize: 8, count: 1),
        Field(name: "env.hflags", offset: 0x090, elementSize: 4, count: 1),
        Field(name: "env.fpuc", offset: 0x094, elementSize: 2, count: 1),
        Field(name: "env.fpus_vmstate", offset: 0x096, elementSize: 2, count: 1),
        Field(name: "env.fptag_vmstate", offset: 0x098, elementSize: 2, count: 1),
        Field(name: "env.fpregs_format_vmstate", offset: 0x09a, elementSize: 2, count: 1),
        Field(name: "env.fpregs", offset: 0x09c, elementSize: 10, count: 8),
        Field(name: "env.segs", offset: 0x0ec, elementSize: 20, count: 6),
        Field(name: "env.ldt", offset: 0x164, elementSize: 20, count: 1),
        Field(name: "env.tr", offset: 0x178, elementSize: 20, count: 1),
        Field(name: "env.gdt", offset: 0x18c, elementSize: 20, count: 1),
        Field(name: "env.idt", offset: 0x1a0, elementSize: 20, count: 1),
        Field(name: "env.sysenter_cs", offset: 0x1b4, elementSize: 4, count: 1),
        Field(name: "env.sysenter_esp", offset: 0x1b8, elementSize: 8, count: 1),
        Field(name: "env.sysenter_eip", offset: 0x1c0, elementSize: 8, count: 1),
        Field(name: "env.cr[0]", offset: 0x1c8, elementSize: 8, count: 1),
        Field(name: "env.cr[2]", offset: 0x1d0, elementSize: 8, count: 1),
        Field(name: "env.cr[3]", offset: 0x1d8, elementSize: 8, count: 1),
        Field(name: "env.cr[4]", offset: 0x1e0, elementSize: 8, count: 1),
        Field(name: "env.dr", offset: 0x1e8, elementSize: 8, count: 8),
        Field(name: "env.a20_mask", offset: 0x228, elementSize: 4, count: 1),
        Field(name: "env.mxcsr", offset: 0x22c, elementSize: 4, count: 1),
        Field(name: "env.xmm_regs[0]", offset: 0x230, elementSize: 16, count: 16),
        Field(name: "env.efer", offset: 0x330, elementSize: 8, count: 1),
        Field(name: "env.star", offset: 0x338, elementSize: 8, count: 1),
        Field(name: "env.lstar", offset: 0x340, elementSize: 8, count: 1),
        Field(name: "env.cstar", offset: 0x348, elementSize: 8, count: 1),
        Field(name: "env.fmask", offset: 0x350, elementSize: 8, count: 1),
        Field(name: "env.kernelgsbase", offset: 0x358, elementSize: 8, count: 1),
        Field(name: "env.smbase", offset: 0x360, elementSize: 4, count: 1),
        Field(name: "env.pat", offset: 0x364, elementSize: 8, count: 1),
        Field(name: "env.hflags2", offset: 0x36c, elementSize: 4, count: 1),
        Field(name: "env.vm_hsave", offset: 0x370, elementSize: 8, count: 1),
        Field(name: "env.vm_vmcb", offset: 0x378, elementSize: 8, count: 1),
        Field(name: "env.tsc_offset", offset: 0x380, elementSize: 8, count: 1),
        Field(name: "env.intercept", offset: 0x388, elementSize: 8, count: 1),
        Field(name: "env.intercept_cr_read", offset: 0x390, elementSize: 2, count: 1),
        Field(name: "env.intercept_cr_write", offset: 0x392, elementSize: 2, count: 1),
        Field(name: "env.intercept_dr_read", offset: 0x394, elementSize: 2, count: 1),
        Field(name: "env.intercept_dr_write", offset: 0x396, elementSize: 2, count: 1),
        Field(name: "env.intercept_exceptions", offset: 0x398, elementSize: 4, count: 1),
        Field(name: "env.v_tpr", offset: 0x39c, elementSize: 1, count: 1),
        Field(name: "env.mtrr_fixed", offset: 0x39d, elementSize: 8, count: 11),
        Field(name: "env.mtrr_deftype", offset: 0x3f5, elementSize: 8, count: 1),
        Field(name: "env.mtrr_var", offset: 0x3fd, elementSize: 16, count: 8),
        Field(name: "env.interrupt_injected", offset: 0x47d, elementSize: 4, count: 1),
        Field(name: "env.mp_state", offset: 0x481, elementSize: 4, count: 1),
        Field(name: "env.tsc", offset: 0x485, elementSize: 8, count: 1),
        Field(name: "env.exception_nr", offset: 0x48d, elementSize: 4, count: 1),
        Field(name: "env.soft_interrupt", offset: 0x491, elementSize: 1, count: 1),
        Field(name: "env.nmi_injected", offset: 0x492, elementSize: 1, count: 1),
        Field(name: "env.nmi_pending", offset: 0x493, elementSize: 1, count: 1),
        Field(name: "env.has_error_code", offset: 0x494, elementSize: 1, count: 1),
        Field(name: "env.sipi_vector", offset: 0x495, elementSize: 4, count: 1),
        Field(name: "env.mcg_cap", offset: 0x499, elementSize: 8, count: 1),
        Field(name: "env.mcg_status", offset: 0x4a1, elementSize: 8, count: 1),
        Field(name: "env.mcg_ctl", offset: 0x4a9, elementSize: 8, count: 1),
        Field(name: "env.mce_banks", offset: 0x4b1, elementSize: 8, count: 40),
        Field(name: "env.tsc_aux", offset: 0x5f1, elementSize: 8, count: 1),
        Field(name: "env.system_time_msr", offset: 0x5f9, elementSize: 8, count: 1),
        Field(name: "env.wall_clock_msr", offset: 0x601, elementSize: 8, count: 1),
        Field(name: "env.xcr0", offset: 0x609, elementSize: 8, count: 1),
        Field(name: "env.xstate_bv", offset: 0x611, elementSize: 8, count: 1),
        Field(name: "env.xmm_regs[1]", offset: 0x619, elementSize: 16, count: 16),
    ]

    /// Offsets that `CPUSection` uses. The table above is checked against them and against the stream's description.
    enum Offset {
        static let registers = 0x000
        static let instructionPointer = 0x080
        static let flags = 0x088
        static let hflags = 0x090
        static let fpuControl = 0x094
        static let fpuStatus = 0x096
        static let fpuTag = 0x098
        static let fpuRegisters = 0x09c
        static let segments = 0x0ec
        static let ldt = 0x164
        static let tr = 0x178
        static let gdt = 0x18c
        static let idt = 0x1a0
        static let sysenterCS = 0x1b4
        static let sysenterESP = 0x1b8
        static let sysenterEIP = 0x1c0
        static let cr0 = 0x1c8
        static let cr2 = 0x1d0
        static let cr3 = 0x1d8
        static let cr4 = 0x1e0
        static let debugRegisters = 0x1e8
        static let a20Mask = 0x228
        static let mxcsr = 0x22c
        static let xmm = 0x230
        static let efer = 0x330
        static let star = 0x338
        static let lstar = 0x340
        static let cstar = 0x348
        static let fmask = 0x350
        static let kernelGSBase = 0x358
        static let smbase = 0x360
        static let pat = 0x364
        static let hflags2 = 0x36c
        static let tscOffset = 0x380
        static let mtrrFixed = 0x39d
        static let mtrrDefaultType = 0x3f5
        static let mtrrVariable = 0x3fd
        static let interruptInjected = 0x47d
        static let mpState = 0x481
        static let tsc = 0x485
        static let exceptionNumber = 0x48d
        static let nmiInjected = 0x492
        static let nmiPending = 0x493
        static let sipiVector = 0x495
        static let mcgCap = 0x499
        static let mcgStatus = 0x4a1
        static let mcgControl = 0x4a9
        static let tscAux = 0x5f1
        static let systemTimeMSR = 0x5f9
        static let wallClockMSR = 0x601
        static let xcr0 = 0x609
        static let xstateBV = 0x611
        static let ymmHigh = 0x619
    }
}
