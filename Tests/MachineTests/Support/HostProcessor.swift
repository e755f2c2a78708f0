import Foundation

/// The processor that the tests run on and compare the engine with.
///
/// The engine does what Intel's processors do where the manual leaves a choice. On others, tests compare what both manuals promise.
struct HostProcessor {
    static let current = HostProcessor()

    let isIntel: Bool
    /// Names of the features as Linux lists them.
    private let features: Set<String>

    private init() {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        func value(_ name: String) -> String? {
            text.split(separator: "\n").first { $0.hasPrefix(name) }?.split(separator: ":").last
                .map { $0.trimmingCharacters(in: .whitespaces) }
        }
        isIntel = value("vendor_id") == "GenuineIntel"
        features = Set((value("flags") ?? "").split(separator: " ").map(String.init))
    }

    /// Instructions of the integer forms that not every processor with AVX2 has, with Linux's names of their features.
    private static let seldom = [("movdir64b", "movdir64b"), ("movdiri", "movdiri"), ("clwb", "clwb")]

    /// Whether the host has all instructions of a form.
    func executes(_ assembly: String) -> Bool {
        Self.seldom.allSatisfy { !assembly.contains($0.0) || features.contains($0.1) }
    }
}

/// What of an instruction's result is another one on processors of other makers.
struct VendorLatitude: OptionSet {
    let rawValue: Int

    /// RCPPS and its relatives: the relative error is at most 1.5 * 2^-12, the tables are the makers' own.
    static let approximation = VendorLatitude(rawValue: 1)
    /// DPPS and DPPD: which of several NaN operands comes through.
    static let anyNaN = VendorLatitude(rawValue: 2)
    static let anyWideNaN = VendorLatitude(rawValue: 16)
    /// A gather that faults: how far it came, and so what is in its destination and its mask.
    static let gatherProgress = VendorLatitude(rawValue: 4)
    /// The bits of MXCSR that exist, as XSAVE stores them (bytes 28 to 31 of the area).
    static let controlMask = VendorLatitude(rawValue: 8)

    init(rawValue: Int) { self.rawValue = rawValue }

    /// That of a vector form on this host: nothing on the processors that the engine takes after.
    init(_ assembly: String) {
        self = []
        guard !HostProcessor.current.isIntel else { return }
        if assembly.contains("rcp") || assembly.contains("rsqrt") { insert(.approximation) }
        if assembly.contains("dpps") { insert(.anyNaN) }
        if assembly.contains("dppd") { insert(.anyWideNaN) }
        if assembly.contains("gather") { insert(.gatherProgress) }
        if assembly.contains("xsave") { insert(.controlMask) }
    }

    /// Whether two 64-bit parts of vectors may differ as they do.
    func allows(_ one: UInt64, _ other: UInt64) -> Bool {
        if contains(.anyWideNaN) { return Double(bitPattern: one).isNaN && Double(bitPattern: other).isNaN }
        return [UInt64(0), 32].allSatisfy { shift in
            let (left, right) = (
                UInt32(truncatingIfNeeded: one >> shift), UInt32(truncatingIfNeeded: other >> shift)
            )
            if left == right { return true }
            let (first, second) = (Float(bitPattern: left), Float(bitPattern: right))
            if contains(.anyNaN), first.isNaN, second.isNaN { return true }
            // Both are within the error of what is right, so within twice of it of each other.
            return contains(.approximation) && first.isFinite && second.isFinite
                && abs(first - second) <= max(abs(first), abs(second)) * 0x1.8p-11
        }
    }
}
