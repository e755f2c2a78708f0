/// The programs of the guest, each with a fixed amount of work.
package enum Workload: String, Sendable, CaseIterable {
    case sieve, sha256, fib, memcpy, strlen, sort, gzip

    /// What is typed into the guest's shell.
    package var command: String {
        switch self {
        case .sieve, .sha256, .fib, .memcpy, .strlen: rawValue
        case .sort, .gzip: bareWords.joined(separator: " ").replacing("busybox ", with: "") + " > " + Self.outputFile
        }
    }

    /// A second command, which is not timed, whose output is compared with ``expected``; nil when that is the output of the first.
    package var check: String? {
        switch self {
        case .sieve, .sha256, .fib, .memcpy, .strlen: nil
        case .sort: "sha256sum < " + Self.outputFile
        case .gzip: "gzip -dc " + Self.outputFile + " | sha256sum"
        }
    }

    /// What has to come out: the program's result as hexadecimal digits, or the SHA-256 of the text that it makes or keeps.
    ///
    /// The numbers follow from what `images/guest/benchmark` says of the programs; the tests work them out in another way.
    package var expected: String {
        switch self {
        case .sieve: "00000000000245c5"
        case .sha256: "25a4f94ca59e9213"
        case .fib: "00000000000cb228"
        case .memcpy: "75d1ac5c0c5bae46"
        case .strlen: "000000018d80a14f"
        case .sort: "0ac4d772194b8cd93571e88bbf3d073c75783f0adce95fe468dec41e5f6e5a79"
        case .gzip: Self.textDigest
        }
    }

    /// SHA-256 of what the program `text` prints.
    package static let textDigest = "75f48e69d6d12dae8b733d2c9f8b7f6f98fc78bbf339b6dca87380e6a246a953"
    /// The guest's file with that text.
    package static let textFile = "/tmp/text"
    private static let outputFile = "/tmp/out"

    /// The program is one of the recipe's, without a C library; else it is busybox.
    package var isFreestanding: Bool {
        switch self {
        case .sieve, .sha256, .fib, .memcpy, .strlen: true
        case .sort, .gzip: false
        }
    }

    /// The words of a bare run.
    package var bareWords: [String] {
        switch self {
        case .sieve, .sha256, .fib, .memcpy, .strlen: [rawValue]
        case .sort: ["busybox", "sort", Self.textFile]
        case .gzip: ["busybox", "gzip", "-c", Self.textFile]
        }
    }
}
