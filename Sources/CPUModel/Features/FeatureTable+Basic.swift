// Leaves 1, 5 and 6 (Intel SDM volume 2A, CPUID, tables 3-10 and 3-11; volume 3, 15).
extension FeatureTable {
    static let basicLeaves = """
        [1.edx] system
        0 fpu =instructions
        1 vme
        2 de
        3 pse
        4 tsc =timers
        5 msr
        6 pae
        7 mce
        8 cx8 =instructions
        9 apic =timers
        11 sep
        12 mtrr
        13 pge
        14 mca
        15 cmov =instructions
        16 pat
        17 pse36
        18 pn =platform
        19 clflush =instructions
        21 ds x=dts =monitoring
        22 acpi =platform
        23 mmx =vector
        24 fxsr =vector
        25 sse =vector
        26 sse2 =vector
        27 ss =platform
        28 ht =platform
        29 tm =platform
        30 ia64 =platform
        31 pbe =platform
        [1.ecx] instructions
        0 pni q=pni,sse3 v=pni,sse3 =vector
        1 pclmulqdq q=pclmulqdq,pclmuldq v=pclmuldq,pclmulqdq =vector
        2 dtes64 =monitoring
        3 monitor
        4 ds-cpl q=ds-cpl,ds_cpl v=ds_cpl,ds-cpl x=ds_cpl =monitoring
        5 vmx =virtualization
        6 smx =virtualization
        7 est =platform
        8 tm2 =platform
        9 ssse3 =vector
        10 cid =platform
        11 sdbg q=- v=- =monitoring
        12 fma =vector
        13 cx16
        14 xtpr =platform
        15 pdcm =monitoring
        17 pcid =system
        18 dca =platform
        19 sse4.1 q=sse4.1,sse4-1,sse4_1 v=sse4.1,sse4-1,sse4_1 x=sse4_1 =vector
        20 sse4.2 q=sse4.2,sse4-2,sse4_2 v=sse4.2,sse4-2,sse4_2 x=sse4_2 =vector
        21 x2apic =timers
        22 movbe
        23 popcnt
        24 tsc-deadline x=tsc_deadline_timer =timers
        25 aes =vector
        26 xsave =state
        27 osxsave q=- x=- =state *
        28 avx =vector
        29 f16c =vector
        30 rdrand
        31 hypervisor =paravirtual
        [5.ecx] platform
        0 mwait-extensions q=- v=- x=-
        1 mwait-interrupt-break q=- v=- x=-
        [6.eax] platform
        0 dtherm q=- v=-
        1 ida q=- v=-
        2 arat =timers
        4 pln q=- v=-
        5 ecmd q=- v=- x=-
        6 pts q=- v=-
        7 hwp q=- v=-
        8 hwp-notify q=- v=- x=hwp_notify
        9 hwp-act-window q=- v=- x=hwp_act_window
        10 hwp-epp q=- v=- x=hwp_epp
        11 hwp-pkg-req q=- v=- x=hwp_pkg_req
        13 hdc q=- v=- x=-
        14 turbo-boost-max q=- v=- x=-
        15 hwp-highest-performance q=- v=- x=-
        16 hwp-peci-override q=- v=- x=-
        17 hwp-flexible q=- v=- x=-
        18 hwp-fast-request q=- v=- x=-
        19 hfi q=- v=-
        20 hwp-ignore-idle q=- v=- x=-
        23 thread-director q=- v=- x=-
        [6.ecx] platform
        0 aperfmperf q=- v=-
        3 epb q=- v=-

        """
}
