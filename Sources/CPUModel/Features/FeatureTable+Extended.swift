// Leaves 8000_0001 to 8000_0022 and Centaur's C000_0001 (AMD APM volume 3, appendix E; AMD processor programming references).
extension FeatureTable {
    /// Bits of 8000_0001 EDX that repeat those of leaf 1 on AMD's processors.
    private static let repeated = [
        "fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", "", "", "mtrr", "pge", "mca", "cmov",
        "pat",
        "pse36", "", "", "", "", "", "mmx", "fxsr",
    ]

    static let extendedLeaves =
        "[80000001.edx] system\n"
        + repeated.enumerated().filter { !$0.element.isEmpty }
        .map { "\($0.offset) ext-\($0.element) q=- v=- x=- *\n" }.joined()
            + """
            11 syscall
            19 mp q=- v=- =platform
            20 nx q=nx,xd v=nx,xd
            22 mmxext =vector
            25 fxsr-opt q=fxsr-opt,ffxsr,fxsr_opt v=fxsr_opt,ffxsr,fxsr-opt x=fxsr_opt =state
            26 pdpe1gb
            27 rdtscp =timers
            29 lm q=lm,i64 v=lm,i64
            30 3dnowext =vector
            31 3dnow =vector
            [80000001.ecx] instructions
            0 lahf-lm q=lahf-lm,lahf_lm v=lahf_lm,lahf-lm x=lahf_lm
            1 cmp-legacy q=cmp-legacy,cmp_legacy v=cmp_legacy,cmp-legacy x=cmp_legacy =platform
            2 svm =virtualization
            3 extapic =timers
            4 cr8legacy x=cr8_legacy =system
            5 abm
            6 sse4a =vector
            7 misalignsse =vector
            8 3dnowprefetch
            9 osvw =platform
            10 ibs =monitoring
            11 xop =vector
            12 skinit =virtualization
            13 wdt =timers
            15 lwp =monitoring
            16 fma4 =vector
            17 tce =system
            18 cvt16 q=- x=- =vector
            19 nodeid-msr q=nodeid-msr,nodeid_msr v=nodeid_msr,nodeid-msr x=nodeid_msr =platform
            21 tbm
            22 topoext =platform
            23 perfctr-core q=perfctr-core,perfctr_core v=perfctr_core,perfctr-core x=perfctr_core =monitoring
            24 perfctr-nb q=perfctr-nb,perfctr_nb v=perfctr_nb,perfctr-nb x=perfctr_nb =monitoring
            26 bpext q=- v=- =monitoring
            27 ptsc q=- v=- =timers
            28 perfctr-llc q=- v=- x=perfctr_llc =monitoring
            29 mwaitx q=- v=-
            30 addr-mask-ext q=- v=- x=- =monitoring
            [80000007.ebx] platform
            0 overflow-recov x=overflow_recov
            1 succor
            3 smca q=- v=-
            [80000007.edx] platform
            7 hw-pstate q=- v=- x=hw_pstate
            8 invtsc x=- =timers
            9 cpb q=- v=-
            11 proc-feedback q=- v=- x=proc_feedback
            [80000008.ebx] instructions
            0 clzero
            1 irperf q=- v=- =monitoring
            2 xsaveerptr =state
            3 invlpgb q=- v=- x=-
            4 rdpru q=- v=-
            6 mba q=- v=- x=- =platform
            9 wbnoinvd
            12 ibpb x=- =mitigations
            14 ibrs x=- =mitigations
            15 amd-stibp x=- =mitigations
            16 ibrs-always-on q=- v=- x=- =mitigations
            17 stibp-always-on x=- =mitigations
            18 ibrs-preferred q=- v=- x=- =mitigations
            19 ibrs-same-mode q=- v=- x=- =mitigations
            20 no-lmsle q=- v=- x=- =system
            21 invlpgb-nested q=- v=- x=- =virtualization
            23 amd-ppin q=- v=- x=amd_ppin =platform
            24 amd-ssbd x=- =mitigations
            25 virt-ssbd x=virt_ssbd =mitigations
            26 amd-no-ssb x=- =mitigations
            27 cppc q=- v=- =platform
            28 amd-psfd x=- =mitigations
            29 btc-no q=- v=- x=- =mitigations
            30 ibpb-ret q=- v=- x=- =mitigations
            31 brs q=- v=- =monitoring
            [8000000a.edx] virtualization
            0 npt
            1 lbrv
            2 svm-lock q=svm-lock,svm_lock v=svm-lock,svm_lock x=svm_lock
            3 nrip-save q=nrip-save,nrip_save v=nrip-save,nrip_save x=nrip_save
            4 tsc-scale q=tsc-scale,tsc_scale v=tsc-scale,tsc_scale x=tsc_scale
            5 vmcb-clean q=vmcb-clean,vmcb_clean v=vmcb-clean,vmcb_clean x=vmcb_clean
            6 flushbyasid
            7 decodeassists
            10 pause-filter q=pause-filter,pause_filter v=pause-filter,pause_filter x=pausefilter
            12 pfthreshold
            13 avic
            15 v-vmsave-vmload x=v_vmsave_vmload
            16 vgif
            17 gmet q=- v=- x=-
            18 x2avic q=- v=-
            19 sss-check q=- v=- x=-
            20 spec-ctrl-virt q=- v=- x=v_spec_ctrl
            25 vnmi
            28 svme-addr-chk x=-
            [8000001b.eax] monitoring
            0 ibs-avail q=- v=- x=-
            1 ibs-fetch q=- v=- x=-
            2 ibs-op q=- v=- x=-
            [8000001f.eax] virtualization
            0 sme q=- v=-
            1 sev q=- v=-
            2 vm-page-flush q=- v=- x=-
            3 sev-es q=- v=- x=sev_es
            4 sev-snp q=- v=- x=-
            5 vmpl q=- v=- x=-
            [80000021.eax] mitigations
            0 no-nested-data-bp x=- =monitoring
            1 fs-gs-base-ns x=- =system
            2 lfence-always-serializing x=-
            5 verw-clear x=-
            6 null-sel-clr-base x=- =system
            7 upper-address-ignore q=- v=- x=- =system
            8 auto-ibrs x=-
            9 no-smm-ctl-msr q=- v=- x=- =platform
            17 user-cpuid-faulting q=- v=- x=- =system
            20 prefetchi x=- =instructions
            24 eraps x=-
            27 sbpb x=-
            28 ibpb-brtype x=-
            29 srso-no x=-
            30 srso-user-kernel-no x=-
            [80000021.ecx] mitigations
            1 tsa-sq-no x=-
            2 tsa-l1-no x=-
            [80000022.eax] monitoring
            0 perfmon-v2 x=perfmon_v2
            1 amd-lbr-v2 q=- v=- x=amd_lbr_v2
            2 amd-lbr-pmc-freeze q=- v=- x=amd_lbr_pmc_freeze
            [c0000001.edx] platform
            2 xstore v=- x=rng =instructions
            3 xstore-en v=- x=rng_en =instructions
            6 xcrypt v=- x=ace =instructions
            7 xcrypt-en v=- x=ace_en =instructions
            8 ace2 v=- =instructions
            9 ace2-en v=- x=ace2_en =instructions
            10 phe v=- =instructions
            11 phe-en v=- x=phe_en =instructions
            12 pmm v=- =instructions
            13 pmm-en v=- x=pmm_en =instructions

            """
}
