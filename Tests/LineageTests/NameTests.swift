import Lineage
import Testing

@Suite struct NameTests {
    @Test(arguments: ["Debian", "a", "0", "mini-linux_2.1", String(repeating: "x", count: 64)])
    func goodNamesAreTaken(text: String) throws {
        #expect(try Name(text).text == text)
    }

    @Test(arguments: ["", "-a", ".a", "_a", "a b", "a/b", "a:b", "ü", "a\n", "..", String(repeating: "x", count: 65)])
    func badNamesAreRefusedWithTheRule(text: String) {
        let error = #expect(throws: LineageError.self) { try Name(text, role: "VM") }
        #expect(error?.code == .badName)
        #expect(error?.message.contains("name of a VM") == true)
    }

    @Test func referencesAreVMsOrSnapshots() throws {
        #expect(try Reference(parsing: "Mini") == Reference(vm: Name("Mini")))
        #expect(try Reference(parsing: "Mini:a.b") == Reference(vm: Name("Mini"), snapshot: Name("a.b")))
        #expect(try Reference(parsing: "Mini:a.b").description == "Mini:a.b")
        for text in ["", ":", "Mini:", ":snap", "Mini:a:b"] {
            #expect(throws: LineageError.self) { try Reference(parsing: text) }
        }
    }
}
