import X86

extension Machine {
    /// VMCALL and VMMCALL. No hypervisor answers yet: #UD, as on a processor without virtualization.
    func hypervisorCall() throws(AccessFailure) {
        throw .exception(.invalidOpcode)
    }
}
