import ContentStore
import Foundation

/// Numbers and times for people.
enum Text {
    /// `10240.0MiB`, as users of S2E's tools know sizes.
    static func mebibytes(_ bytes: UInt64) -> String {
        String(format: "%.1fMiB", Double(bytes) / 1_048_576)
    }

    /// Local time to the second: `2031-05-09 14:00:00`.
    static func time(_ time: Timestamp) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyy-MM-dd HH:mm:ss"
        return formatter.string(from: Date(timeIntervalSince1970: TimeInterval(time.seconds)))
    }

    /// A size to three digits in the unit that fits: `512 B`, `4.00 KiB`, `20.0 GiB`.
    static func size(_ bytes: UInt64) -> String {
        var value = Double(bytes)
        var units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"][...]
        while value >= 1000, units.count > 1 {
            value /= 1024
            units.removeFirst()
        }
        guard let unit = units.first, unit != "B" else { return "\(bytes) B" }
        return String(format: value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value) + " " + unit
    }

    /// A ratio to two digits: `3.2`, `17`.
    static func factor(_ value: Double) -> String {
        String(format: value < 10 ? "%.1f" : "%.0f", value)
    }

    /// The first line of a text for people, with a mark where more follows.
    static func firstLine(_ text: String) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
        return (lines.first.map(String.init) ?? "") + (lines.count > 1 ? " …" : "")
    }

    /// `KVM` or `DBT`, the words that S2E's users know, or `engine` for Stemma's own.
    static func accelerator(_ attribute: String?) -> String {
        switch attribute {
        case "kvm": "KVM"
        case "tcg": "DBT"
        case NativeSaver.accelerator: "engine"
        default: "-"
        }
    }
}
