/// A Linux kernel in a stopped guest's memory, with what it knows about itself.
///
/// Found without debug files; see <doc:Linux>.
package struct LinuxKernel: Sendable {
    /// The kernel's page tables, over the memory in which it was found.
    package var pages: PageTables
    /// The mapped parts of its image, upwards: code, read-only data, data.
    package let image: [PageTables.Run]
    /// `Linux version ...`, as the kernel prints it when it boots.
    package let banner: String
    /// Its symbols.
    package let symbols: KernelSymbols
    /// Its types; nil for a kernel that was built without BTF.
    package let types: KernelTypes?

    /// First virtual address of the image.
    package var base: UInt64 { symbols.base }

    /// Version as in `uname -r`, for example `6.1.0-50-cloud-amd64`.
    package var release: String {
        let words = banner.split(separator: " ", maxSplits: 3)
        return words.count > 2 ? String(words[2]) : ""
    }

    /// The guest's memory.
    package var memory: any GuestMemory { pages.memory }

    /// The same kernel, read through other memory: that of the same guest with edits.
    package func reading(_ memory: any GuestMemory) -> LinuxKernel {
        var kernel = self
        kernel.pages = PageTables(memory: memory, root: pages.root, levels: pages.levels)
        return kernel
    }
}

extension LinuxKernel {
    /// The only symbol of a name; nil if there is none or if several functions share the name.
    package func symbol(_ name: String) -> UInt64? {
        let found = symbols.symbols(named: [name])[name] ?? []
        return found.count == 1 ? found[0].address : nil
    }

    /// Name of the symbol at exactly an address.
    package func name(at address: UInt64) -> String? {
        guard let (symbol, offset) = symbols.symbol(at: address), offset == 0 else { return nil }
        return symbol.name
    }

    /// What each possible CPU adds to the address of a per-CPU variable, for the first `count` CPUs.
    package func perCPUOffsets(count: Int) throws(GuestMemoryError) -> [UInt64]? {
        guard let table = symbol("__per_cpu_offset") else { return nil }
        var offsets: [UInt64] = []
        for index in 0..<UInt64(count) { offsets.append(try pages.integer(at: table + 8 * index)) }
        return offsets
    }
}
