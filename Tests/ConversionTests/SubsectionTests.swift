import Testing
import VMState

/// Subsections that are added to sections of a real stream and taken out again.
@Suite struct SubsectionTests {
    @Test func whatIsAddedCanBeReadAndTakenOut() throws {
        let (original, pages) = try FixtureCase.pcTwoCPUs.fixture().parsed()
        var stream = original
        try stream.appendSubsection(
            "apic_sipi", fields: [.int32("sipi_vector", 7), .int32("wait_for_sipi", 1)], to: "apic", 1)
        #expect(stream != original)
        #expect(try stream.device("apic", 1)?.signed("apic_sipi.sipi_vector") == 7)
        #expect(stream.device("apic", 0)?.contains("apic_sipi") == false)

        // Through bytes and back: the description fits the section.
        var provider = pages
        var output = ArrayByteOutput()
        try MigrationStreamWriter().write(stream, pages: &provider, to: &output)
        var sink = DiscardingPageSink()
        let again = try MigrationStreamReader(ArrayByteSource(output.bytes)).read(pages: &sink)
        #expect(try again.device("apic", 1)?.signed("apic_sipi.wait_for_sipi") == 1)
        #expect(again.devices.map(\.payload) == stream.devices.map(\.payload))

        try stream.removeSubsection("apic_sipi", of: "apic", 1)
        #expect(stream.devices.map(\.payload) == original.devices.map(\.payload))
        #expect(stream.device("apic", 1)?.contains("apic_sipi") == false)
    }

    @Test func severalCanBeTakenOutInAnyOrder() throws {
        let (original, _) = try FixtureCase.pc.fixture().parsed()
        let names = ["cpu/one", "cpu/two", "cpu/three"]
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0]] {
            var stream = original
            for (number, name) in names.enumerated() {
                try stream.appendSubsection(name, fields: [.int32("value", Int32(number))], to: "cpu")
            }
            for index in order {
                #expect(try stream.device("cpu")?.unsigned("\(names[index]).value") == UInt64(index))
                try stream.removeSubsection(names[index], of: "cpu")
            }
            #expect(stream.device("cpu")?.payload == original.device("cpu")?.payload)
            let cpu = try #require(try stream.cpus().first)
            #expect(cpu.rip == (try original.cpus().first?.rip))
        }
    }

    @Test func mistakesAreErrors() throws {
        var (stream, _) = try FixtureCase.pc.fixture().parsed()
        let before = stream
        #expect(throws: VMStateError.self) { try stream.removeSubsection("cpu/none", of: "cpu") }
        #expect(throws: VMStateError.self) { try stream.removeSubsection("env.eip", of: "cpu") }
        #expect(throws: VMStateError.self) { try stream.removeSubsection("cpu/none", of: "nothing") }
        try stream.appendSubsection("cpu/x", fields: [.int32("value", 1)], to: "cpu")
        #expect(throws: VMStateError.self) {
            try stream.appendSubsection("cpu/x", fields: [.int32("value", 1)], to: "cpu")
        }
        try stream.removeSubsection("cpu/x", of: "cpu")
        #expect(stream.devices == before.devices)
    }
}
