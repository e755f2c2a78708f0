// Feature MSRs: CORE_CAPABILITIES (CF), ARCH_CAPABILITIES (10A), PERF_CAPABILITIES (345) and those of VMX, 480 to 491 (Intel SDM volume 4, table 2-2;
// volume 3, appendix A). For the VMX controls, bit 32 + n says that control n may be set.
extension FeatureTable {
    static let featureMSRs = """
        [msr.cf] mitigations
        5 split-lock-detect x=split_lock_detect =system
        [msr.10a] mitigations
        0 rdctl-no x=-
        1 ibrs-all x=-
        2 rsba x=-
        3 skip-l1dfl-vmentry x=-
        4 ssb-no x=-
        5 mds-no x=-
        6 pschange-mc-no x=-
        7 tsx-ctrl x=-
        8 taa-no x=-
        9 mcu-control q=- v=- x=-
        10 misc-package-ctls q=- v=- x=-
        11 energy-filtering-ctl q=- v=- x=-
        12 doitm q=- v=- x=-
        13 sbdr-ssdp-no x=-
        14 fbsdp-no x=-
        15 psdp-no x=-
        17 fb-clear x=-
        18 fb-clear-ctrl q=- v=- x=-
        19 rrsba q=- v=- x=-
        20 bhi-no x=-
        21 xapic-disable-status q=- v=- x=- =timers
        24 pbrsb-no x=-
        25 gds-ctrl q=- v=- x=-
        26 gds-no x=-
        27 rfds-no x=-
        28 rfds-clear x=-
        [msr.345] monitoring
        13 full-width-write x=-
        [msr.480] virtualization
        54 vmx-ins-outs x=-
        55 vmx-true-ctls x=-
        56 vmx-any-errcode x=-
        58 vmx-nested-exception x=-
        [msr.485] virtualization
        5 vmx-store-lma x=-
        6 vmx-activity-hlt x=-
        7 vmx-activity-shutdown x=-
        8 vmx-activity-wait-sipi x=-
        29 vmx-vmwrite-vmexit-fields x=-
        30 vmx-zero-len-inject x=-
        [msr.48b] virtualization
        32 vmx-apicv-xapic x=-
        33 vmx-ept x=-
        34 vmx-desc-exit x=-
        35 vmx-rdtscp-exit x=-
        36 vmx-apicv-x2apic x=-
        37 vmx-vpid x=-
        38 vmx-wbinvd-exit x=-
        39 vmx-unrestricted-guest x=-
        40 vmx-apicv-register x=-
        41 vmx-apicv-vid x=-
        42 vmx-ple x=-
        43 vmx-rdrand-exit x=-
        44 vmx-invpcid-exit x=-
        45 vmx-vmfunc x=-
        46 vmx-shadow-vmcs x=-
        47 vmx-encls-exit x=-
        48 vmx-rdseed-exit x=-
        49 vmx-pml x=-
        52 vmx-xsaves x=-
        57 vmx-tsc-scaling x=-
        58 vmx-enable-user-wait-pause x=-
        [msr.48c] virtualization
        0 vmx-ept-execonly x=-
        6 vmx-page-walk-4 x=-
        7 vmx-page-walk-5 x=-
        16 vmx-ept-2mb x=-
        17 vmx-ept-1gb x=-
        20 vmx-invept x=-
        21 vmx-eptad x=-
        22 vmx-ept-advanced-exitinfo x=-
        25 vmx-invept-single-context x=-
        26 vmx-invept-all-context x=-
        32 vmx-invvpid x=-
        40 vmx-invvpid-single-addr x=-
        41 vmx-invvpid-single-context q=vmx-invept-single-context x=-
        42 vmx-invvpid-all-context x=-
        43 vmx-invept-single-context-noglobals x=-
        [msr.48d] virtualization
        32 vmx-intr-exit x=-
        35 vmx-nmi-exit x=-
        37 vmx-vnmi x=-
        38 vmx-preemption-timer x=-
        39 vmx-posted-intr x=-
        [msr.48e] virtualization
        34 vmx-vintr-pending x=-
        35 vmx-tsc-offset x=-
        39 vmx-hlt-exit x=-
        41 vmx-invlpg-exit x=-
        42 vmx-mwait-exit x=-
        43 vmx-rdpmc-exit x=-
        44 vmx-rdtsc-exit x=-
        47 vmx-cr3-load-noexit x=-
        48 vmx-cr3-store-noexit x=-
        51 vmx-cr8-load-exit x=-
        52 vmx-cr8-store-exit x=-
        53 vmx-flexpriority x=-
        54 vmx-vnmi-pending x=-
        55 vmx-movdr-exit x=-
        56 vmx-io-exit x=-
        57 vmx-io-bitmap x=-
        59 vmx-mtf x=-
        60 vmx-msr-bitmap x=-
        61 vmx-monitor-exit x=-
        62 vmx-pause-exit x=-
        63 vmx-secondary-ctls x=-
        [msr.48f] virtualization
        34 vmx-exit-nosave-debugctl x=-
        44 vmx-exit-load-perf-global-ctrl x=-
        47 vmx-exit-ack-intr x=-
        50 vmx-exit-save-pat x=-
        51 vmx-exit-load-pat x=-
        52 vmx-exit-save-efer x=-
        53 vmx-exit-load-efer x=-
        54 vmx-exit-save-preemption-timer x=-
        55 vmx-exit-clear-bndcfgs x=-
        57 vmx-exit-clear-rtit-ctl x=-
        61 vmx-exit-load-pkrs x=-
        63 vmx-exit-secondary-ctls x=-
        [msr.490] virtualization
        34 vmx-entry-noload-debugctl x=-
        41 vmx-entry-ia32e-mode x=-
        45 vmx-entry-load-perf-global-ctrl x=-
        46 vmx-entry-load-pat x=-
        47 vmx-entry-load-efer x=-
        48 vmx-entry-load-bndcfgs x=-
        50 vmx-entry-load-rtit-ctl x=-
        54 vmx-entry-load-pkrs x=-
        55 vmx-entry-load-fred x=-
        [msr.491] virtualization
        0 vmx-eptp-switching x=-

        """
}
