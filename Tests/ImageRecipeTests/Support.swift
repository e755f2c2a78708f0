import Foundation
import ImageRecipe
import Testing

/// A directory that is removed with its content when the test is done with it.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/stemma-recipe-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Writes a file and returns its path.
    @discardableResult
    func write(_ text: String, to name: String) throws -> String {
        let file = path + "/" + name
        try FileManager.default.createDirectory(
            at: URL(fileURLWithPath: file).deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        return file
    }
}

/// The repository's root, from this file's path.
let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

/// Runs a program of the machine and returns its status and what it printed, errors last.
func run(_ arguments: [String], input: String? = nil, in directory: TemporaryDirectory) throws -> (Int32, String) {
    let name = try #require(arguments.first)
    let file = try input.map { try directory.write($0, to: "input-\(UUID().uuidString)") }
    let result = try Tool(name: name, package: "see images/packages.txt").run(
        Array(arguments.dropFirst()), environment: ["TZ": "UTC"], input: file, scratch: directory.path)
    return (result.status, result.output + result.errors)
}

/// A small pseudo-random generator (SplitMix64), so that every run mutates alike.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// Changes one to four bytes, or cuts the end.
func mutated(_ bytes: [UInt8], by generator: inout SeededGenerator) -> [UInt8] {
    var copy = bytes
    if Int.random(in: 0..<8, using: &generator) == 0 {
        copy.removeLast(Int.random(in: 0...copy.count, using: &generator))
        return copy
    }
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
        copy[Int.random(in: 0..<copy.count, using: &generator)] = UInt8.random(in: 0 ... .max, using: &generator)
    }
    return copy
}
