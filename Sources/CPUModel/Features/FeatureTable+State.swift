// Leaves D, F, 12 and 14 (Intel SDM volume 1, chapter 13; volume 3, chapters 17, 33 and 36).
extension FeatureTable {
    static let stateLeaves = """
        [d.0.eax] state
        0 xcr0-x87 q=- v=- x=-
        1 xcr0-sse q=- v=- x=-
        2 xcr0-avx q=- v=- x=-
        3 xcr0-bndregs q=- v=- x=-
        4 xcr0-bndcsr q=- v=- x=-
        5 xcr0-opmask q=- v=- x=-
        6 xcr0-zmm-hi256 q=- v=- x=-
        7 xcr0-hi16-zmm q=- v=- x=-
        9 xcr0-pkru q=- v=- x=-
        17 xcr0-tilecfg q=- v=- x=-
        18 xcr0-tiledata q=- v=- x=-
        19 xcr0-apx q=- v=- x=-
        [d.1.eax] state
        0 xsaveopt
        1 xsavec
        2 xgetbv1
        3 xsaves
        4 xfd x=-
        [d.1.ecx] state
        8 xss-pt q=- v=- x=-
        10 xss-pasid q=- v=- x=-
        11 xss-cet-user q=- v=- x=-
        12 xss-cet-supervisor q=- v=- x=-
        13 xss-hdc q=- v=- x=-
        14 xss-uintr q=- v=- x=-
        15 xss-lbr q=- v=- x=-
        16 xss-hwp q=- v=- x=-
        [f.0.edx] platform
        1 cqm-llc q=- v=- x=cqm_llc
        [f.1.edx] platform
        0 cqm-occup-llc q=- v=- x=cqm_occup_llc
        1 mbm-total q=- v=mbm_total x=cqm_mbm_total
        2 mbm-local q=- v=mbm_local x=cqm_mbm_local
        [12.0.eax] virtualization
        0 sgx1 x=-
        1 sgx2 x=-
        10 sgx-edeccssa x=-
        [12.0.ebx] virtualization
        0 sgx-exinfo x=-
        [12.1.eax] virtualization
        1 sgx-debug x=-
        2 sgx-mode64 x=-
        4 sgx-provisionkey x=-
        5 sgx-tokenkey x=-
        7 sgx-kss x=-
        10 sgx-aex-notify x=-
        [14.0.ebx] monitoring
        0 pt-cr3-filter q=- v=- x=-
        1 pt-psb-cyc q=- v=- x=-
        2 pt-ip-filter q=- v=- x=-
        3 pt-mtc q=- v=- x=-
        4 pt-ptwrite q=- v=- x=-
        5 pt-power-event q=- v=- x=-
        6 pt-psb-pmi q=- v=- x=-
        7 pt-event-trace q=- v=- x=-
        8 pt-tnt-disable q=- v=- x=-
        [14.0.ecx] monitoring
        0 pt-topa q=- v=- x=-
        1 pt-topa-multi q=- v=- x=-
        2 pt-single-range q=- v=- x=-
        3 pt-transport q=- v=- x=-
        31 intel-pt-lip x=-

        """
}
