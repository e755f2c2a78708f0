import Expressions
import Foundation
import Machine

/// What one path was, and inputs that take it. Encodes to the JSON that the documentation describes.
package struct TestCase: Sendable, Equatable, Codable {
    /// Number of the path; the first is 0.
    package var path: Int
    /// The path that it forked from.
    package var parent: Int?
    package var end: End
    package var inputs: [Input]
    /// Symbolic branches where both directions were possible, first one first.
    package var branches: [Branch]
    /// Instructions executed since the start of the exploration, by the path with its ancestors.
    package var instructions: UInt64
    /// Of these, by the symbolic interpreter.
    package var symbolicInstructions: UInt64
    /// Constraints on the inputs.
    package var constraints: Int
    /// What the guest printed.
    package var log: [String]
    package var concretisations: [Value]
    /// Answers to `stemma_path_id`, in order; an early one may be an ancestor's number.
    package var pathNumbers: [Int]

    /// How the path ended.
    package struct End: Sendable, Equatable, Codable {
        /// ``PathEnd/kind``.
        package var kind: String
        /// One line for people.
        package var description: String
        /// Of `stemma_end_path`.
        package var status: UInt64?
        package var message: String?
        /// Virtual address of the instruction that the engine does not support, or physical address without memory.
        package var address: String?
        /// The unsupported instruction, hexadecimal.
        package var bytes: String?
    }

    /// The bytes of one symbolic buffer.
    package struct Input: Sendable, Equatable, Codable {
        package var name: String
        package var address: String
        package var size: Int
        package var hex: String
        /// The bytes as text: printable ASCII as it is, other bytes as `\xNN`, the backslash doubled.
        package var text: String
    }

    package struct Branch: Sendable, Equatable, Codable {
        package var address: String
        package var taken: Bool
    }

    /// A value that was made concrete.
    package struct Value: Sendable, Equatable, Codable {
        package var address: String
        package var what: String
        package var value: String
    }

    /// The bytes of an input.
    package func bytes(of input: Input) -> [UInt8] {
        var result: [UInt8] = []
        var digits = input.hex[...]
        while digits.count >= 2, let byte = UInt8(digits.prefix(2), radix: 16) {
            result.append(byte)
            digits = digits.dropFirst(2)
        }
        return result
    }

    /// The JSON text, with sorted keys.
    package func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}

extension TestCase.End {
    init(_ end: PathEnd) {
        kind = end.kind
        description = end.description
        switch end {
        case .finished(let status, let message):
            self.status = status
            self.message = message
        case .unsupported(let address, let bytes):
            self.address = hexAddress(address)
            self.bytes = hexText(bytes)
        case .unsupportedMode(let address, _), .unmapped(let address): self.address = hexAddress(address)
        default: break
        }
    }
}

/// An address as `0x…`.
func hexAddress(_ address: UInt64) -> String { "0x" + String(address, radix: 16) }

extension SymbolicExecutor {
    /// The test case of a state that ended, or stopped, now.
    func testCase(_ state: ExecutionState, _ end: PathEnd, since start: UInt64) -> TestCase {
        let inputs = state.inputs.map { input -> TestCase.Input in
            let bytes = input.buffer.bytes.map { state.path.assignment.value(of: $0) }
            return TestCase.Input(
                name: input.buffer.name, address: hexAddress(input.address), size: input.buffer.count,
                hex: hexText(bytes), text: Self.printable(bytes))
        }
        return TestCase(
            path: state.id, parent: state.parent, end: TestCase.End(end), inputs: inputs,
            branches: branches(of: state).map { TestCase.Branch(address: hexAddress($0.address), taken: $0.taken) },
            instructions: state.instructions - start, symbolicInstructions: state.symbolicInstructions,
            constraints: state.path.count, log: state.log,
            concretisations: state.concretisations.map {
                TestCase.Value(address: hexAddress($0.address), what: $0.what, value: hexAddress($0.value))
            }, pathNumbers: state.pathNumbers)
    }

    private static func printable(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            if byte == 0x5C { return "\\\\" }
            if byte >= 0x20 && byte < 0x7F { return String(UnicodeScalar(byte)) }
            return "\\x" + hexText([byte])
        }.joined()
    }
}
