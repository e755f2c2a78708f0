extension ResumeSymptom {
    /// A check that may be the cause, with what connects it to the symptom when that was seen.
    private struct Candidate {
        var check: String
        var seen: String?

        init(_ check: String, seen: String? = nil) {
            self.check = check
            self.seen = seen
        }
    }

    /// Names the check that explains the symptom.
    ///
    /// What was seen of the guest comes first; then what the checks found in the snapshot, in the order of how often it has
    /// this effect; and only a refusal is guessed at.
    ///
    /// - Parameter findings: of the snapshot, and of the one that it was converted from.
    /// - Returns: nil when no check has anything to do with it.
    package func explanation(findings: [Finding]) -> ResumeExplanation? {
        let found = findings.filter { $0.severity > .ok }
        func remedy(_ check: String) -> String { found.first { $0.check == check }?.remedy ?? "" }
        func make(_ check: String, _ certainty: ResumeExplanation.Certainty, _ reason: String) -> ResumeExplanation {
            ResumeExplanation(
                check: check, certainty: certainty, reason: reason, remedy: remedy(check),
                isOfTheMoment: ResumeExplanation.momentary.contains(check))
        }
        let candidates = candidates
        if let candidate = candidates.first(where: { $0.seen != nil }), let seen = candidate.seen {
            return make(candidate.check, .seen, seen)
        }
        for candidate in candidates {
            if let finding = found.first(where: { $0.check == candidate.check }) {
                let evidence = finding.evidence.first.map { " (\($0.text))" } ?? ""
                return make(candidate.check, .found, "\(finding.title)\(evidence)")
            }
        }
        return nil
    }

    /// In the order in which they are considered.
    private var candidates: [Candidate] {
        switch kind {
        case .refused: refusalCandidates
        case .silent: silenceCandidates + ["C10", "C06", "C26", "C18", "C08"].map { Candidate($0) }
        case .spinning: silenceCandidates + ["C06", "C08", "C10", "C19"].map { Candidate($0) }
        case .clockStands: silenceCandidates + ["C10", "C06", "C07", "C08", "C27"].map { Candidate($0) }
        case .invalidOpcodes: instructionCandidates + ["C05", "C14", "C21", "C38"].map { Candidate($0) }
        case .reset, .stopped:
            instructionCandidates + ["C21", "C11", "C12", "C14", "C05", "C29", "C30"].map { Candidate($0) }
        }
    }

    private var silenceCandidates: [Candidate] {
        var list: [Candidate] = []
        if waitsForDeadline {
            list.append(
                Candidate(
                    "C09", seen: "an APIC timer is in TSC-deadline mode, in which the target's timer never fires"))
        }
        if hasUnfinishedInterrupt {
            list.append(
                Candidate("C23", seen: "a halted CPU has an interrupt in service, which keeps all later ones away"))
        }
        if hasUntakenInterrupt {
            list.append(Candidate("C24", seen: "a halted CPU has a requested interrupt that it never took"))
        }
        return list
    }

    private var refusalCandidates: [Candidate] {
        let words = words
        func has(_ text: String) -> Bool { words.contains(text) }
        let what = words.split(whereSeparator: \.isNewline).first.map(String.init) ?? words
        if has("Unknown savevm section or instance") {
            return [Candidate(has("'kvmclock'") || has("'kvm") ? "C02" : "C03", seen: what)]
        }
        if has("Machine type received") || has("unsupported machine type") { return [Candidate("C01", seen: what)] }
        if has("Unknown ramblock") || has("Size mismatch") || has("Length mismatch") {
            return [Candidate("C34", seen: what)]
        }
        if has("of device 'cpu'") { return [Candidate("C04", seen: what)] }
        if has("load of migration failed") || has("error while loading state") { return [Candidate("C03", seen: what)] }
        return []
    }

    /// What an invalid instruction says (Intel SDM volume 2, AMD APM volume 3).
    private var instructionCandidates: [Candidate] {
        guard let known = Self.meaning(of: instruction, isUser: isUser) else { return [] }
        let bytes = instruction.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
        return [Candidate(known.check, seen: "\(known.what) (\(bytes)) is invalid on the target's CPU")]
    }

    private static func meaning(of bytes: [UInt8], isUser: Bool) -> (check: String, what: String)? {
        // Prefixes: operand size, repetition, segments, then REX.
        var rest = bytes[...]
        var mandatory: UInt8?
        while let first = rest.first, [0x66, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65].contains(first) {
            if [0x66, 0xf2, 0xf3].contains(first) { mandatory = first }
            rest = rest.dropFirst()
        }
        if let first = rest.first, first & 0xf0 == 0x40 { rest = rest.dropFirst() }
        let code = Array(rest)
        guard let first = code.first else { return nil }
        switch first {
        case 0xc4, 0xc5: return ("C05", "an AVX instruction")
        case 0x62: return ("C16", "an AVX-512 instruction")
        case 0x0f: break
        default: return nil
        }
        guard code.count > 1 else { return nil }
        let third = code.count > 2 ? code[2] : nil
        switch code[1] {
        case 0x01:
            switch third {
            case 0xc1: return ("C21", "the hypercall VMCALL")
            case 0xd9: return ("C21", "the hypercall VMMCALL")
            case 0xca, 0xcb: return ("C05", "CLAC or STAC")
            case 0xd0, 0xd1: return ("C12", "XGETBV or XSETBV")
            case 0xee, 0xef: return ("C12", "RDPKRU or WRPKRU")
            default: return nil
            }
        case 0x38 where mandatory == 0x66 && third == 0x82: return ("C11", "INVPCID")
        case 0x0b, 0xb9, 0xff:
            // UD2, UD1, UD0: the kernel means them, as the mark of a bug or a warning.
            return nil
        case 0xc7:
            // The operation is in bits 3 to 5 of the byte behind.
            switch third.map({ $0 >> 3 & 7 }) {
            case 3: return ("C14", "XRSTORS")
            case 4: return ("C14", "XSAVEC")
            case 5: return ("C14", "XSAVES")
            default: break
            }
        default: break
        }
        return isUser ? ("C38", "an instruction that a program chose for the CPU it started on") : nil
    }
}

extension Finding.Evidence {
    fileprivate var text: String {
        let place = [section, field].compactMap { $0 }.joined(separator: " ")
        return place.isEmpty ? value : "\(place) = \(value)"
    }
}
