// Leaves from 4000_0000 on (Linux, Documentation/virt/kvm/x86/cpuid.rst; Microsoft, Hypervisor Top Level Functional
// Specification, 2.4). Those of Hyper-V are shown where the hypervisor's name is `Microsoft Hv`.
extension FeatureTable {
    static let hypervisorLeaves = """
        [40000001.eax] paravirtual
        0 kvmclock v=- x=-
        1 kvm-nopiodelay q=kvm-nopiodelay,kvm_nopiodelay v=- x=-
        2 kvm-mmu q=kvm-mmu,kvm_mmu v=- x=-
        3 kvmclock-2 q=kvmclock v=- x=-
        4 kvm-asyncpf q=kvm-asyncpf,kvm_asyncpf v=- x=-
        5 kvm-steal-time q=kvm-steal-time,kvm_steal_time v=- x=-
        6 kvm-pv-eoi q=kvm-pv-eoi,kvm_pv_eoi v=- x=-
        7 kvm-pv-unhalt q=kvm-pv-unhalt,kvm_pv_unhalt v=- x=-
        9 kvm-pv-tlb-flush v=- x=-
        10 kvm-asyncpf-vmexit v=- x=-
        11 kvm-pv-ipi v=- x=-
        12 kvm-poll-control q=kvm-poll-control,kvm_poll_control v=- x=-
        13 kvm-pv-sched-yield v=- x=-
        14 kvm-asyncpf-int q=kvm-asyncpf-int,kvm_asyncpf_int v=- x=-
        15 kvm-msi-ext-dest-id v=- x=-
        16 kvm-hc-map-gpa-range q=- v=- x=-
        17 kvm-migration-control q=- v=- x=-
        24 kvmclock-stable-bit v=- x=-
        [40000001.edx] paravirtual
        0 kvm-hint-dedicated v=- x=-

        """
}
