import Foundation
import Testing
import X86

/// The list of instruction forms in the X86 module's documentation says what the code does.
///
/// `STEMMA_WRITE_INSTRUCTION_FORMS=1` writes it anew.
@Suite struct InstructionFormsTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let document = tests.deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Sources/X86/X86.docc/InstructionForms.md")

    @Test func theDocumentIsUpToDate() throws {
        let survey = InstructionSurvey()
        let folders = [Self.tests, Self.tests.deletingLastPathComponent().appendingPathComponent("X86Tests")]
        let text = InstructionFormsDocument(survey: survey, evidence: try InstructionEvidence(tests: folders)).text
        if ProcessInfo.processInfo.environment["STEMMA_WRITE_INSTRUCTION_FORMS"] == "1" {
            try text.write(to: Self.document, atomically: true, encoding: .utf8)
        }
        let committed = try String(contentsOf: Self.document, encoding: .utf8)
        let lines = zip(committed.split(separator: "\n"), text.split(separator: "\n"))
        let difference = lines.first { $0.0 != $0.1 }
        #expect(
            committed == text,
            """
            InstructionForms.md is not what the lifter and the tests say, first \
            \(difference.map { "\"\($0.0)\", now \"\($0.1)\"" } ?? "at its end"); run this test with \
            STEMMA_WRITE_INSTRUCTION_FORMS=1 and read the difference
            """)
    }

    /// The survey would not notice what it never offers: a few instructions of every kind.
    @Test func theSurveyIsWide() {
        let survey = InstructionSurvey()
        for name in [
            "ADD", "CMPXCHG16B", "IRETQ", "AAA", "BOUND", "LES", "FPATAN", "PADDB", "VPGATHERDD", "VAESENC",
            "SHA1RNDS4",
            "PCMPISTRI", "MOVDIR64B", "XSAVES", "WRPKRU", "SWAPGS", "PDEP", "VFMADD231PS", "INT1", "SYSRET",
        ] { #expect(survey.lifted[name] != nil, "\(name)") }
        for name in ["VPTERNLOGD", "KANDW", "GF2P8MULB", "VPDPBUSD", "TDPBSSD", "VMLAUNCH", "PFADD"] {
            #expect(survey.left[name] != nil, "\(name)")
        }
        #expect(survey.lifted["ADD"]?.modes == ["64", "C", "32", "16"])
        #expect(survey.lifted["AAA"]?.modes == ["C", "32", "16"])
        #expect(survey.lifted["SYSCALL"]?.modes.contains("64") == true)
    }
}
