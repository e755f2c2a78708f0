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
        case .sort: "d0b0dafabbf19f7c15e65100b914b1f252968f0462ff761ab1ac4a0d3c341998"
        case .gzip: Self.textDigest
        }
    }

    /// SHA-256 of what the program `text` prints.
    package static let textDigest = "8ebb7924fc2f92d596147eaa5d81ed4538e65f00c70adf2d0d8f016bed99991f"
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
