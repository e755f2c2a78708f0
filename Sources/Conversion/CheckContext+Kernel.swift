import GuestInspection
import VMState

extension CheckContext {
    /// Looks for a Linux kernel in the guest's memory. Memory that cannot be read is as good as one without a kernel: whoever reads
    /// the pages later reports it.
    package mutating func findKernel() {
        guard let memory else { return }
        kernel = try? LinuxKernel.find(in: memory, processors: cpus.map(PagingRegisters.init))
    }
}

extension PagingRegisters {
    /// From the section of a CPU.
    package init(_ cpu: CPUSection) {
        self.init(cr0: cpu.cr0, cr3: cpu.cr3, cr4: cpu.cr4, efer: cpu.efer, lstar: cpu.lstar, idtBase: cpu.idt.base)
    }
}
