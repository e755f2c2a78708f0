// Leaf 7 with its subleaves (Intel SDM volume 2A, CPUID; Intel Architecture Instruction Set Extensions reference).
extension FeatureTable {
    static let structuredLeaves = """
        [7.0.ebx] instructions
        0 fsgsbase =system
        1 tsc-adjust q=tsc-adjust,tsc_adjust v=tsc_adjust,tsc-adjust x=tsc_adjust =timers
        2 sgx =virtualization
        3 bmi1
        4 hle
        5 avx2 =vector
        6 fdp-excptn-only q=fdp-excptn-only v=fdp-excptn-only x=- =state
        7 smep =system
        8 bmi2
        9 erms
        10 invpcid =system
        11 rtm
        12 cmt q=- v=cmt,cqm x=cqm =platform
        13 zero-fcs-fds x=- =state
        14 mpx =state
        15 rdt_a q=- v=- =platform
        16 avx512f =vector
        17 avx512dq =vector
        18 rdseed
        19 adx
        20 smap =system
        21 avx512ifma =vector
        22 pcommit x=-
        23 clflushopt
        24 clwb
        25 intel-pt x=intel_pt =monitoring
        26 avx512pf =vector
        27 avx512er =vector
        28 avx512cd =vector
        29 sha-ni x=sha_ni =vector
        30 avx512bw =vector
        31 avx512vl =vector
        [7.0.ecx] instructions
        0 prefetchwt1 q=- v=- x=-
        1 avx512vbmi =vector
        2 umip =system
        3 pku =system
        4 ospke q=- =system *
        5 waitpkg
        6 avx512vbmi2 x=avx512_vbmi2 =vector
        7 cet-ss q=cet-ss,shstk v=- x=user_shstk =system
        8 gfni =vector
        9 vaes =vector
        10 vpclmulqdq =vector
        11 avx512vnni x=avx512_vnni =vector
        12 avx512bitalg x=avx512_bitalg =vector
        13 tme q=- v=- =system
        14 avx512-vpopcntdq x=avx512_vpopcntdq =vector
        16 la57 =system
        22 rdpid
        23 key-locker q=- v=- x=-
        24 bus-lock-detect x=bus_lock_detect =system
        25 cldemote
        27 movdiri
        28 movdir64b
        29 enqcmd q=- v=-
        30 sgxlc x=sgx_lc =virtualization
        31 pks x=- =system
        [7.0.edx] instructions
        1 sgx-keys q=- v=- x=- =virtualization
        2 avx512-4vnniw x=avx512_4vnniw =vector
        3 avx512-4fmaps x=avx512_4fmaps =vector
        4 fsrm
        5 uintr q=- v=- x=-
        8 avx512-vp2intersect x=avx512_vp2intersect =vector
        9 srbds-ctrl x=- =mitigations
        10 md-clear v=md-clear,md_clear x=md_clear =mitigations
        11 rtm-always-abort x=- =mitigations
        13 tsx-force-abort q=- v=- x=- =mitigations
        14 serialize
        15 hybrid q=- v=- x=- =platform
        16 tsx-ldtrk x=tsxldtrk
        18 pconfig q=- =system
        19 arch-lbr x=arch_lbr =monitoring
        20 cet-ibt q=cet-ibt,ibt v=- x=ibt =system
        22 amx-bf16 x=amx_bf16 =vector
        23 avx512-fp16 x=avx512_fp16 =vector
        24 amx-tile x=amx_tile =vector
        25 amx-int8 x=amx_int8 =vector
        26 spec-ctrl x=- =mitigations
        27 stibp x=- =mitigations
        28 flush-l1d x=flush_l1d =mitigations
        29 arch-capabilities v=arch-capabilities,arch_capabilities x=arch_capabilities =mitigations
        30 core-capability x=- =mitigations
        31 ssbd x=- =mitigations
        [7.1.eax] instructions
        0 sha512 x=- =vector
        1 sm3 x=- =vector
        2 sm4 x=- =vector
        3 rao-int q=- v=- x=-
        4 avx-vnni x=avx_vnni =vector
        5 avx512-bf16 x=avx512_bf16 =vector
        6 lass q=- v=- x=- =system
        7 cmpccxadd x=-
        8 arch-perfmon-ext q=- v=- x=- =monitoring
        10 fzrm x=-
        11 fsrs x=-
        12 fsrc x=-
        17 fred x=fred =system
        18 lkgs x=- =system
        19 wrmsrns x=-
        20 nmi-source q=- v=- x=- =system
        21 amx-fp16 x=- =vector
        22 hreset q=- v=- x=-
        23 avx-ifma x=- =vector
        26 lam x=- =system
        27 msrlist q=- v=- x=-
        30 invd-disable q=- v=- x=- =system
        31 movrs q=- v=- x=-
        [7.1.ebx] platform
        0 ppin q=- v=- x=-
        [7.1.edx] vector
        4 avx-vnni-int8 x=-
        5 avx-ne-convert x=-
        8 amx-complex x=-
        10 avx-vnni-int16 x=-
        13 utmr q=- v=- x=- =timers
        14 prefetchiti x=- =instructions
        15 user-msr q=- v=- x=- =instructions
        17 uiret-uif q=- v=- x=- =instructions
        18 cet-sss q=- v=- x=- =system
        19 avx10 x=-
        21 apxf q=- v=- x=- =instructions
        23 mwait-leaf q=- v=- x=- =instructions
        [7.2.edx] mitigations
        0 intel-psfd x=-
        1 ipred-ctrl x=-
        2 rrsba-ctrl x=-
        3 ddpd-u x=-
        4 bhi-ctrl x=-
        5 mcdt-no x=-
        6 uclock-disable q=- v=- x=- =system
        7 monitor-mitg-no q=- v=- x=-
        [19.eax] instructions
        0 key-locker-cpl0 q=- v=- x=-
        1 key-locker-no-encrypt q=- v=- x=-
        2 key-locker-no-decrypt q=- v=- x=-
        [19.ebx] instructions
        0 aeskle q=- v=- x=-
        2 aes-wide-kl q=- v=- x=-
        4 key-locker-backup q=- v=- x=-
        [19.ecx] instructions
        0 loadiwkey-no-backup q=- v=- x=-
        1 loadiwkey-random q=- v=- x=-
        [24.0.ebx] vector
        16 avx10-128 x=-
        17 avx10-256 x=-
        18 avx10-512 x=-

        """
}
