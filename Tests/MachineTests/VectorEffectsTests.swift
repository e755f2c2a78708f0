import Machine
import Testing
import X86

/// The declared effects of vector helpers are exact: nothing else is read, nothing else is written.
@Suite(.serialized)
struct VectorEffectsTests {
    @Test func helpersTouchWhatTheyDeclare() throws {
        let forms = VectorForms.floats + VectorForms.conversions + VectorForms.cryptography + VectorForms.strings
        let lines = (forms.map(\.assembly) + ["vzeroupper", "vzeroall"]).filter { !$0.contains("[") }
        let codes = try Assembler.assemble(lines)
        let machine = try VectorGuest().machine
        var random = OperandGenerator(seed: 5)
        var count = 0
        for (line, code) in zip(lines, codes) {
            let block = code.withUnsafeBytes { Lifter(context: LiftContext()).lift($0, rip: 0x1000) }
            for operation in try #require(block).operations where operation.operation == .helper {
                count += 1
                if let difference = check(operation, machine, &random) {
                    Issue.record("\(line), \(operation): \(difference)")
                }
            }
        }
        #expect(count > 800)
    }

    /// Runs the helper twice; the second time what it does not read has other values.
    private func check(_ operation: MicroOp, _ machine: Machine, _ random: inout OperandGenerator) -> String? {
        let effects = operation.helperEffects
        let processor = machine.processor
        let reads = Set(effects.reads)
        let writes = Set(effects.writes)
        // Temporaries are part of it; slots of system meaning are not.
        let places = (0..<160).map { Slot(UInt16($0)) }.filter { !(24..<32).contains($0.rawValue) }
        for place in places {
            processor[place] = (17..<24).contains(place.rawValue) ? random.next() & 1 : random.next()
        }
        let before = places.map { processor[$0] }
        processor.system.pointee.mxcsr = 0x1F80
        guard case .completed = machine.runHelper(operation) else { return "does not complete" }
        let after = places.map { processor[$0] }
        for (index, place) in places.enumerated() where !writes.contains(place) && after[index] != before[index] {
            return "writes \(place)"
        }
        let control = processor.system.pointee.mxcsr
        for (index, place) in places.enumerated() {
            processor[place] =
                reads.contains(place)
                ? before[index]
                : (17..<24).contains(place.rawValue) ? random.next() & 1 : random.next()
        }
        processor.system.pointee.mxcsr = 0x1F80
        guard case .completed = machine.runHelper(operation) else { return "does not complete again" }
        for (index, place) in places.enumerated() where writes.contains(place) && processor[place] != after[index] {
            return "\(place) depends on something undeclared"
        }
        return processor.system.pointee.mxcsr == control ? nil : "MXCSR depends on something undeclared"
    }
}
