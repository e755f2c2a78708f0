/// The registers of a CPU that say where its kernel is.
package struct PagingRegisters: Sendable, Hashable {
    /// CR0; bit 31 switches paging on.
    package var cr0: UInt64
    /// CR3: the top page table.
    package var cr3: UInt64
    /// CR4; bit 12 (LA57) means five levels.
    package var cr4: UInt64
    /// EFER; bit 10 (LMA) means 64-bit mode.
    package var efer: UInt64
    /// LSTAR: where SYSCALL goes.
    package var lstar: UInt64
    /// Address of the interrupt descriptor table.
    package var idtBase: UInt64

    /// Makes a set of registers.
    package init(cr0: UInt64, cr3: UInt64, cr4: UInt64, efer: UInt64, lstar: UInt64, idtBase: UInt64) {
        self.cr0 = cr0
        self.cr3 = cr3
        self.cr4 = cr4
        self.efer = efer
        self.lstar = lstar
        self.idtBase = idtBase
    }

    /// The CPU is in 64-bit mode with paging.
    package var isLongMode: Bool { cr0 >> 31 & 1 == 1 && efer >> 10 & 1 == 1 }

    /// Levels of its page tables.
    package var levels: Int { cr4 >> 12 & 1 == 1 ? 5 : 4 }
}
