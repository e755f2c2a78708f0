import Conversion
import Testing

/// Which check explains what a resumed guest did.
@Suite struct ResumeExplanationTests {
    private func finding(_ check: String, _ severity: Severity = .fatal) -> Finding {
        Finding(
            check: check, title: "title of \(check)", severity: severity,
            evidence: [.init(section: "apic#0", field: "lvt[0]", value: "0x400ec")], remedy: "remedy of \(check)")
    }

    private func explained(_ symptom: ResumeSymptom, _ findings: [Finding] = []) -> ResumeExplanation? {
        symptom.explanation(findings: findings)
    }

    @Test(arguments: [
        (["0f", "01", "d9"], false, "C21"), (["0f", "01", "c1"], false, "C21"), (["c5", "f8", "77"], true, "C05"),
        (["c4", "e2", "7d"], true, "C05"), (["62", "f1", "7c"], true, "C16"), (["0f", "01", "cb"], false, "C05"),
        (["48", "0f", "c7", "67"], false, "C14"), (["0f", "c7", "6f", "40"], false, "C14"),
        (["0f", "c7", "5c", "24"], false, "C14"), (["66", "0f", "38", "82"], false, "C11"),
        (["0f", "01", "ee"], true, "C12"), (["0f", "38", "c8"], true, "C38"), (["f3", "0f", "c7", "f8"], true, "C38"),
    ])
    func theInstructionNamesTheCheck(bytes: [String], isUser: Bool, check: String) {
        let symptom = ResumeSymptom(
            .invalidOpcodes, instruction: bytes.compactMap { UInt8($0, radix: 16) }, isUser: isUser)
        let explanation = explained(symptom)
        #expect(explanation?.check == check)
        #expect(explanation?.certainty == .seen)
        // The same instruction before a reset.
        var reset = symptom
        reset.kind = .reset
        #expect(explained(reset)?.check == check)
    }

    @Test func whatSaysNothingIsNotExplained() {
        #expect(explained(ResumeSymptom(.invalidOpcodes, instruction: [0x0f, 0x0b])) == nil)
        #expect(explained(ResumeSymptom(.invalidOpcodes, instruction: [0x0f])) == nil)
        #expect(explained(ResumeSymptom(.invalidOpcodes, instruction: [0x66])) == nil)
        #expect(explained(ResumeSymptom(.invalidOpcodes)) == nil)
        #expect(explained(ResumeSymptom(.silent)) == nil)
        #expect(explained(ResumeSymptom(.reset), [finding("C09")]) == nil)
        #expect(explained(ResumeSymptom(.silent), [finding("C10", .ok)]) == nil)
    }

    @Test func whatWasSeenComesBeforeWhatWasFound() {
        let deadline = ResumeSymptom(.silent, waitsForDeadline: true)
        let explanation = explained(deadline, [finding("C10"), finding("C09")])
        #expect(explanation?.check == "C09")
        #expect(explanation?.certainty == .seen)
        #expect(explanation?.remedy == "remedy of C09")
        #expect(explanation?.isOfTheMoment == false)
        // Without it, the finding speaks, with its evidence.
        let found = explained(ResumeSymptom(.silent), [finding("C06"), finding("C10")])
        #expect(found?.check == "C10")
        #expect(found?.certainty == .found)
        #expect(found?.reason.contains("apic#0 lvt[0] = 0x400ec") == true)
        #expect(explained(ResumeSymptom(.spinning), [finding("C10"), finding("C06")])?.check == "C06")
        #expect(explained(ResumeSymptom(.reset), [finding("C12"), finding("C21")])?.check == "C21")
    }

    @Test func interruptsUnderWayAreOfTheMoment() {
        let unfinished = explained(ResumeSymptom(.silent, hasUntakenInterrupt: true, hasUnfinishedInterrupt: true))
        #expect(unfinished?.check == "C23")
        #expect(unfinished?.isOfTheMoment == true)
        let untaken = explained(ResumeSymptom(.silent, hasUntakenInterrupt: true))
        #expect(untaken?.check == "C24")
        #expect(untaken?.isOfTheMoment == true)
    }

    @Test(arguments: [
        ("Unknown savevm section or instance 'kvmclock' 0. Make sure", "C02"),
        ("Unknown savevm section or instance '0000:00:05.0/virtio-blk' 0.", "C03"),
        ("Machine type received is 'pc-q35-7.2' and local is 'pc-i440fx-7.2'", "C01"),
        ("Size mismatch: 0000:00:02.0/vga.vram: 0x1000000 != 0x2000000: Invalid argument", "C34"),
        ("Unknown ramblock \"pc.extra\", cannot accept migration", "C34"),
        ("error while loading state for instance 0x0 of device 'cpu'", "C04"),
        ("error while loading state for instance 0x0 of device '0000:00:04.0/virtio-blk'", "C03"),
    ])
    func refusalsAreReadFromTheTargetsWords(words: String, check: String) {
        let explanation = explained(
            ResumeSymptom(.refused, words: "qemu-system-x86_64: \(words)\nload of migration failed"))
        #expect(explanation?.check == check)
        #expect(explanation?.reason.contains("qemu-system-x86_64") == true)
    }
}
