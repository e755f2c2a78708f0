import GuestInspection
import VMState

/// What the guest's kernel tells of itself, where it was found in RAM.
extension CheckContext {
    /// The clock source that Linux keeps time with: `curr_clocksource`. Nil if the kernel, or a symbol or type of it, is not known.
    func clockSource() -> (name: String, evidence: Finding.Evidence)? {
        guard let kernel, let variable = kernel.symbol("curr_clocksource"),
            let field = kernel.types?.field("clocksource", "name"), field.size == 8
        else { return nil }
        do throws(GuestMemoryError) {
            let source: UInt64 = try kernel.pages.integer(at: variable)
            let text: UInt64 = try kernel.pages.integer(at: source &+ field.offset)
            let bytes = try kernel.pages.bytes(at: text, count: 32).prefix { $0 != 0 }
            guard !bytes.isEmpty, bytes.allSatisfy({ (0x21..<0x7f).contains($0) }) else { return nil }
            return (
                String(decoding: bytes, as: UTF8.self),
                Finding.Evidence(section: "memory", field: "curr_clocksource (\(hex(variable)))", value: hex(source))
            )
        } catch {
            // A kernel that does not let itself be read is as good as none.
            return nil
        }
    }

    /// How Linux saves the extended state of threads: the instruction in `save_fpregs_to_fpstate`, which it patches at boot.
    func stateInstruction() -> (usesCompactedFormat: Bool, evidence: Finding.Evidence)? {
        guard let kernel else { return nil }
        for name in ["save_fpregs_to_fpstate", "copy_fpregs_to_fpstate"] {
            guard let start = kernel.symbol(name) else { continue }
            let end = kernel.symbols.end(ofSymbolAt: start) ?? start &+ 256
            guard end > start, let code = try? kernel.pages.bytes(at: start, count: Int(min(end - start, 4096))) else {
                continue
            }
            // REX.W 0F C7 /4 and /5 are XSAVEC and XSAVES; REX.W 0F AE /4 and /6 XSAVE and XSAVEOPT (Intel SDM, volume 2).
            for index in code.indices.dropLast(3) where code[index] == 0x48 && code[index + 1] == 0x0f {
                let extended = code[index + 3] >> 3 & 7
                let isMemory = code[index + 3] >> 6 != 3
                let evidence = Finding.Evidence(
                    section: "memory", field: "\(name)+\(hex(index))",
                    value: MemoryChange.text(Array(code[index..<index + 4])))
                switch (code[index + 2], extended) {
                case (0xc7, 4) where isMemory, (0xc7, 5) where isMemory: return (true, evidence)
                case (0xae, 4) where isMemory, (0xae, 6) where isMemory: return (false, evidence)
                default: continue
                }
            }
        }
        return nil
    }
}
