import X86

/// The text of `InstructionForms.md`.
struct InstructionFormsDocument {
    let survey: InstructionSurvey
    let evidence: InstructionEvidence

    var text: String {
        var result = Self.head + "\n"
        let families = Dictionary(grouping: survey.lifted.keys) { survey.lifted[$0]?.family ?? "" }
        for family in families.keys.sorted() {
            result += "\n### \(family)\n\n"
            result += "| instruction | operands | modes | compared with | flags left out |\n|---|---|---|---|---|\n"
            for name in (families[family] ?? []).sorted() {
                guard let entry = survey.lifted[name] else { continue }
                result += row(name, entry)
            }
        }
        return result + "\n" + leftOut + Self.tail
    }

    private func row(_ name: String, _ entry: InstructionSurvey.Entry) -> String {
        let encodings = InstructionShape.Encoding.allCases.compactMap { encoding -> String? in
            guard let operands = entry.operands[encoding] else { return nil }
            let text = InstructionSurvey.text(operands)
            return encoding == .legacy ? text : "\(encoding.rawValue): \(text)"
        }
        let modes = InstructionSurvey.modes.map(\.name).filter(entry.modes.contains)
        let flags = (evidence.undefinedFlags[name].map(Self.flags)) ?? ""
        return "| \(name) | \(encodings.joined(separator: "; ")) | "
            + "\(modes.count == InstructionSurvey.modes.count ? "all" : modes.joined(separator: " ")) | "
            + "\(comparison(name, entry)) | \(flags) |\n"
    }

    /// `host` for all forms, `host 3/5` for some, and the tests that contain the instruction.
    private func comparison(_ name: String, _ entry: InstructionSurvey.Entry) -> String {
        let forms = entry.operands.flatMap { encoding, lists in
            lists.map { InstructionEvidence.Form(mnemonic: name, encoding: encoding, operands: $0) }
        }
        let count = forms.filter(evidence.compared.contains).count
        var parts: [String] = []
        if count == forms.count {
            parts.append("host")
        } else if count > 0 {
            parts.append("host \(count)/\(forms.count)")
        }
        // Where the host is asked, a test that contains the instruction in passing says little.
        if count == 0 { parts += (evidence.tests[name] ?? []).sorted() }
        return parts.isEmpty ? "-" : parts.joined(separator: ", ")
    }

    private static func flags(_ mask: UInt64) -> String {
        let names: [(UInt64, String)] = [
            (RFlags.overflow, "OF"), (RFlags.sign, "SF"), (RFlags.zero, "ZF"), (RFlags.auxiliary, "AF"),
            (RFlags.parity, "PF"), (RFlags.carry, "CF"),
        ]
        return names.filter { mask & $0.0 != 0 }.map(\.1).joined(separator: " ")
    }

    /// Families of which nothing is lifted, or not all.
    private var leftOut: String {
        var result = "## Not lifted\n\n| family | instructions |\n|---|---|\n"
        let families = Dictionary(grouping: survey.left.keys) { survey.left[$0]?.family ?? "" }
        for family in families.keys.sorted() {
            let names = (families[family] ?? []).sorted()
            // Long families by their size and their first instructions.
            let shown =
                names.count > 24 ? names.prefix(8).joined(separator: " ") + " ..." : names.joined(separator: " ")
            result += "| \(family) | \(names.count > 24 ? "\(names.count): " : "")\(shown) |\n"
        }
        return result
    }

    private static let head = """
        # Instruction forms

        Every instruction that the lifter knows, with the kinds of its operands, and what its results are compared with.

        ## Overview

        This list is made by the test `InstructionFormsTests`: it offers all opcodes of all maps with their prefixes to the decoder and the
        lifter and notes what becomes of them. The test fails when this text differs from that. To write it anew:

        ```
        STEMMA_WRITE_INSTRUCTION_FORMS=1 swift test --filter InstructionFormsTests
        ```

        * **instruction**, **operands**: names and operand kinds are Zydis 4.0's. `r32/m32` means a register or memory; `m` an address or
          an operand without one size, `vm` a vector of addresses, `-` no operand. Prefixes (LOCK, REP, segments, address size) make no form
          of their own.
        * **modes**: 64-bit (64), compatibility (C), protected (32) and real-address mode (16).
        * **compared with**: `host` when the differential tests run every form on the host's processor and in the engine with random
          operands and compare registers, flags, memory and faults; `host 3/5` when they do so with three of five forms: the others share
          the lifting, because operands are read and written by the same code, whatever their kind. For instructions that the host does
          not compare, the tests whose programs contain them.
        * **flags left out**: flags that the manual leaves undefined in at least one form and that the comparison does not look at. What
          the engine makes of them is said in <doc:X86>.

        Beside that, `VectorDifferentialTests` runs random VEX and SSE encodings on both sides, `EngineDifferentialTests` compares the
        interpreter with translated code, and `stemma engine lockstep` compares the engine with QEMU's translator on whole guests,
        instruction by instruction.

        ## Forms that may differ from a processor

        * FSIN, FCOS, FSINCOS, FPTAN, FPATAN, F2XM1, FYL2X and FYL2XP1 are within one unit in the last place of the host's results.
        * RCPPS, RCPSS, RSQRTPS and RSQRTSS are Intel's tables; AMD's processors give other approximations.
        * DPPS and DPPD choose among several NaNs as Intel's processors do.
        * Destinations that the manual leaves undefined: BSF and BSR of zero, BSWAP of 16 bits. See <doc:X86>.

        ## Lifted
        """

    private static let tail = """

        The families of AVX-512 are #UD until XCR0 has the components of their state, and end a run as unsupported then. Nor are there
        virtual-8086 mode, hardware task switches (task gates, far jumps and calls to task segments, IRET with NT set), system management
        mode, VMX, SVM, SGX and enclaves: a guest that asks for them ends its run with a reason. Encodings that no processor knows raise
        #UD.

        """
}
